package io.cistern.storage;

import io.cistern.block.BlockDevice;
import io.cistern.block.fs.engine.Blocks;
import io.cistern.storage.Command.FileChange;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// The body of a [FileChange]; its grammar is with [CommandCodec].
final class FileChangeCodec {
    private static final int HEAD = 2 + 8 + 24 + 8 + 4 + 1;
    private static final int MAX_PARTS = 4;

    /// Longest request: state changes and the largest extended attribute fit.
    private static final int MAX_REQUEST_BYTES = 512 << 10;

    private FileChangeCodec() {}

    static int size(FileChange c) {
        int bytes = HEAD + c.request().remaining();
        for (Blocks b : c.blocks()) {
            bytes += 12 + 4 * b.crcs().length + b.data().remaining();
        }
        return bytes;
    }

    static void encode(FileChange c, ByteBuffer dst) {
        dst.putLong(c.volume());
        CommandCodec.putOrigin(dst, c.origin());
        dst.putLong(c.evaluatedTerm()).putInt(c.request().remaining());
        dst.put(c.request().duplicate()).put((byte) c.blocks().size());
        for (Blocks b : c.blocks()) {
            dst.putLong(b.offset()).putInt(b.crcs().length);
            for (int crc : b.crcs()) {
                dst.putInt(crc);
            }
            dst.put(b.data().duplicate());
        }
    }

    static FileChange decode(Bytes in) {
        long volume = in.i64();
        Origin origin = CommandCodec.origin(in);
        long term = in.i64();
        int length = in.i32();
        if (length < 0 || length > MAX_REQUEST_BYTES) {
            throw in.bad("request of " + length + " bytes");
        }
        ByteBuffer request = in.slice(length);
        int parts = in.u8();
        if (parts > MAX_PARTS) {
            throw in.bad(parts + " parts");
        }
        List<Blocks> blocks = new ArrayList<>(parts);
        for (int i = 0; i < parts; i++) {
            long offset = in.i64();
            int count = in.i32();
            if (count < 1
                    || count > BlockDevice.MAX_IO_BYTES / BlockDevice.BLOCK_BYTES
                    || offset < 0
                    || offset % BlockDevice.BLOCK_BYTES != 0) {
                throw in.bad(count + " blocks at " + offset);
            }
            in.need(count * 4);
            int[] crcs = new int[count];
            for (int k = 0; k < count; k++) {
                crcs[k] = in.i32();
            }
            blocks.add(new Blocks(offset, crcs, in.slice(count * BlockDevice.BLOCK_BYTES)));
        }
        return new FileChange(volume, origin, term, request, List.copyOf(blocks));
    }
}
