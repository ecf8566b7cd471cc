package io.cistern.vmdisk.vhost;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// What a message carries behind its header; each kind encodes and decodes itself.
///
/// Decoding checks the syntax: lengths and counts. What the numbers mean is checked by whoever acts
/// on the message. Buffers are little endian.
public sealed interface Payload {
    /// Bytes it takes.
    int bytes();

    void encode(ByteBuffer out);

    /// Nothing.
    record Empty() implements Payload {
        public static final Empty INSTANCE = new Empty();

        static Empty decode(ByteBuffer in) {
            return INSTANCE;
        }

        @Override
        public int bytes() {
            return 0;
        }

        @Override
        public void encode(ByteBuffer out) {}
    }

    /// A 64-bit number: features, or a ring's index with flags, or an acknowledgement.
    record Number(long value) implements Payload {
        static final int BYTES = 8;

        static Number decode(ByteBuffer in) {
            return new Number(in.getLong());
        }

        @Override
        public int bytes() {
            return BYTES;
        }

        @Override
        public void encode(ByteBuffer out) {
            out.putLong(value);
        }
    }

    /// Something about a ring.
    record RingState(int index, int value) implements Payload {
        static final int BYTES = 8;

        static RingState decode(ByteBuffer in) {
            return new RingState(in.getInt(), in.getInt());
        }

        @Override
        public int bytes() {
            return BYTES;
        }

        @Override
        public void encode(ByteBuffer out) {
            out.putInt(index).putInt(value);
        }
    }

    /// Where a ring is, in addresses of the front end.
    ///
    /// @param flags bit 0: mark writes to the used ring in the dirty log
    /// @param log the guest address at which they are marked
    record RingAddress(int index, int flags, long descriptors, long used, long available, long log)
            implements Payload {
        static final int BYTES = 40;
        public static final int FLAG_LOG = 1;

        static RingAddress decode(ByteBuffer in) {
            return new RingAddress(
                    in.getInt(),
                    in.getInt(),
                    in.getLong(),
                    in.getLong(),
                    in.getLong(),
                    in.getLong());
        }

        @Override
        public int bytes() {
            return BYTES;
        }

        @Override
        public void encode(ByteBuffer out) {
            out.putInt(index).putInt(flags).putLong(descriptors);
            out.putLong(used).putLong(available).putLong(log);
        }
    }

    /// A memory region.
    ///
    /// @param mapOffset where it begins in its file
    record Region(long guest, long size, long user, long mapOffset) {
        static final int BYTES = 32;

        static Region decode(ByteBuffer in) {
            return new Region(in.getLong(), in.getLong(), in.getLong(), in.getLong());
        }

        void encode(ByteBuffer out) {
            out.putLong(guest).putLong(size).putLong(user).putLong(mapOffset);
        }
    }

    /// All regions.
    record MemoryTable(List<Region> regions) implements Payload {
        /// VHOST_MEMORY_BASELINE_NREGIONS: as many as descriptors fit into the front ends'
        /// messages.
        static final int MAX_REGIONS = 8;

        private static final int HEAD_BYTES = 8;
        static final int MAX_BYTES = HEAD_BYTES + MAX_REGIONS * Region.BYTES;

        /// @throws VhostException where the count and the length do not fit
        static MemoryTable decode(ByteBuffer in) throws VhostException {
            int count = in.getInt();
            int _ = in.getInt();
            if (count < 0 || count > MAX_REGIONS || in.remaining() < count * Region.BYTES) {
                throw new VhostException(count + " memory regions in a message");
            }
            List<Region> regions = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                regions.add(Region.decode(in));
            }
            // Front ends send the whole of their structure or only what is used of it.
            in.position(in.limit());
            return new MemoryTable(List.copyOf(regions));
        }

        @Override
        public int bytes() {
            return HEAD_BYTES + regions.size() * Region.BYTES;
        }

        @Override
        public void encode(ByteBuffer out) {
            out.putInt(regions.size()).putInt(0);
            regions.forEach(r -> r.encode(out));
        }
    }

    /// One region.
    record MemoryRegion(Region region) implements Payload {
        static final int BYTES = 8 + Region.BYTES;

        static MemoryRegion decode(ByteBuffer in) {
            long _ = in.getLong();
            return new MemoryRegion(Region.decode(in));
        }

        @Override
        public int bytes() {
            return BYTES;
        }

        @Override
        public void encode(ByteBuffer out) {
            region.encode(out.putLong(0));
        }
    }

    /// The dirty log's place in its file.
    record LogArea(long size, long offset) implements Payload {
        static final int BYTES = 16;

        static LogArea decode(ByteBuffer in) {
            return new LogArea(in.getLong(), in.getLong());
        }

        @Override
        public int bytes() {
            return BYTES;
        }

        @Override
        public void encode(ByteBuffer out) {
            out.putLong(size).putLong(offset);
        }
    }

    /// A piece of the device's configuration space.
    ///
    /// @param flags of SET_CONFIG: what the piece is written for
    /// @param content to write, or empty in a question, or what was read
    record Config(int offset, int flags, ByteBuffer content) implements Payload {
        static final int HEAD_BYTES = 12;

        /// The guest's driver writes.
        static final int WRITABLE = 0;

        /// The front end brings what the device had where the guest comes from.
        static final int MIGRATION = 1;

        /// VHOST_USER_MAX_CONFIG_SIZE.
        static final int MAX_CONTENT_BYTES = 256;

        /// @throws VhostException where the size does not fit the message
        static Config decode(ByteBuffer in) throws VhostException {
            int offset = in.getInt();
            int size = in.getInt();
            int flags = in.getInt();
            if (size < 0 || size > MAX_CONTENT_BYTES || in.remaining() != size) {
                throw new VhostException(
                        "a message about "
                                + Integer.toUnsignedLong(size)
                                + " bytes of configuration carries "
                                + in.remaining());
            }
            ByteBuffer content = ByteBuffer.allocate(size).put(in).flip();
            return new Config(offset, flags, content);
        }

        @Override
        public int bytes() {
            return HEAD_BYTES + content.remaining();
        }

        @Override
        public void encode(ByteBuffer out) {
            out.putInt(offset).putInt(content.remaining()).putInt(flags);
            out.put(content.duplicate());
        }
    }

    /// The memory that tracks requests in flight.
    ///
    /// @param bytes of the payload: QEMU pads the protocol's 20 bytes to 24 and insists on as many
    ///   in the answer
    record Inflight(long mapSize, long mapOffset, int queues, int queueSize, int bytes)
            implements Payload {
        static final int MIN_BYTES = 20;
        static final int MAX_BYTES = 24;

        static Inflight decode(ByteBuffer in) {
            int bytes = in.remaining();
            long size = in.getLong();
            long offset = in.getLong();
            int queues = Short.toUnsignedInt(in.getShort());
            int queueSize = Short.toUnsignedInt(in.getShort());
            in.position(in.limit());
            return new Inflight(size, offset, queues, queueSize, bytes);
        }

        @Override
        public void encode(ByteBuffer out) {
            out.putLong(mapSize).putLong(mapOffset);
            out.putShort((short) queues).putShort((short) queueSize);
            for (int i = MIN_BYTES; i < bytes; i++) {
                out.put((byte) 0);
            }
        }
    }
}
