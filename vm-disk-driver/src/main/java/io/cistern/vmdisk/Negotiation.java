package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// The handshake of one connection: fixed newstyle negotiation, seen from the server.
///
/// A pure state machine: bytes of the client go in in any portions, bytes for the client come out.
/// Not thread safe.
final class Negotiation {
    /// Longest option data that is read, in bytes. Longer ones are skipped and refused.
    static final int MAX_OPTION_BYTES = 64 << 10;

    /// Longest option data that is skipped, in bytes. Beyond it the client is not taken seriously.
    static final int MAX_SKIPPED_BYTES = 1 << 20;

    /// Most options in one handshake.
    static final int MAX_OPTIONS = 256;

    private static final int OPTION_HEADER_BYTES = 16;
    private static final int MINIMUM_BLOCK = 1;

    /// What follows.
    enum Outcome {
        /// More bytes are needed.
        CONTINUE,
        /// The transmission phase begins with the next byte.
        TRANSMIT,
        /// Send the reply, then close.
        CLOSE
    }

    private enum State {
        CLIENT_FLAGS,
        OPTION
    }

    private final Export export;
    private State state = State.CLIENT_FLAGS;
    private boolean fixed;
    private boolean noZeroes;
    private boolean structured;
    private boolean allocationContext;
    private int options;
    private int skipping;
    private int skippedOption;

    Negotiation(Export export) {
        this.export = export;
    }

    /// True once the client has asked for structured replies.
    boolean structuredReplies() {
        return structured;
    }

    /// True once the client has selected `base:allocation`. All names that this server accepts mean
    /// the same export, so a context selected under one name holds for the other.
    boolean blockStatus() {
        return allocationContext;
    }

    /// What the server says first.
    static byte[] greeting() {
        return ByteBuffer.allocate(18)
                .putLong(NbdProtocol.INIT_MAGIC)
                .putLong(NbdProtocol.OPTION_MAGIC)
                .putShort((short) (NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES))
                .array();
    }

    /// Consumes what is complete of `in`, whose capacity must be at least one header plus
    /// [#MAX_OPTION_BYTES], and appends replies to `out`. Stops after the option that ends the
    /// handshake.
    ///
    /// @throws NbdException where the client is out of step or asks the absurd
    Outcome feed(ByteBuffer in, ByteArrayOutputStream out) throws IOException {
        DataOutputStream reply = new DataOutputStream(out);
        if (state == State.CLIENT_FLAGS) {
            if (in.remaining() < 4) {
                return Outcome.CONTINUE;
            }
            clientFlags(in.getInt());
        }
        Outcome outcome = Outcome.CONTINUE;
        while (outcome == Outcome.CONTINUE && (skip(in, reply) || in.hasRemaining())) {
            if (skipping > 0 || in.remaining() < OPTION_HEADER_BYTES) {
                return Outcome.CONTINUE;
            }
            long length = Integer.toUnsignedLong(in.getInt(in.position() + 12));
            if (in.getLong(in.position()) != NbdProtocol.OPTION_MAGIC) {
                throw new NbdException("bad option magic: not an NBD client");
            }
            int option = in.getInt(in.position() + 8);
            if (length > MAX_OPTION_BYTES) {
                beginSkip(in, option, length);
                continue;
            }
            if (in.remaining() < OPTION_HEADER_BYTES + length) {
                return Outcome.CONTINUE;
            }
            ByteBuffer data = in.slice(in.position() + OPTION_HEADER_BYTES, (int) length);
            in.position(in.position() + OPTION_HEADER_BYTES + (int) length);
            outcome = option(option, data, reply);
        }
        return outcome;
    }

    private void clientFlags(int flags) throws NbdException {
        if ((flags & ~(NbdProtocol.FLAG_FIXED_NEWSTYLE | NbdProtocol.FLAG_NO_ZEROES)) != 0) {
            throw new NbdException("unknown client flags 0x" + Integer.toHexString(flags));
        }
        fixed = (flags & NbdProtocol.FLAG_FIXED_NEWSTYLE) != 0;
        noZeroes = (flags & NbdProtocol.FLAG_NO_ZEROES) != 0;
        state = State.OPTION;
    }

    private void beginSkip(ByteBuffer in, int option, long length) throws NbdException {
        if (length > MAX_SKIPPED_BYTES || option == NbdProtocol.OPT_EXPORT_NAME) {
            throw new NbdException("option " + option + " with " + length + " bytes of data");
        }
        in.position(in.position() + OPTION_HEADER_BYTES);
        skipping = (int) length;
        skippedOption = option;
    }

    /// Passes over the data of an option that is too long; refuses it when all of it is gone.
    private boolean skip(ByteBuffer in, DataOutputStream reply) throws IOException {
        if (skipping == 0) {
            return false;
        }
        int n = Math.min(skipping, in.remaining());
        in.position(in.position() + n);
        skipping -= n;
        if (skipping == 0) {
            countOption();
            refuse(
                    reply,
                    skippedOption,
                    NbdProtocol.REP_ERR_TOO_BIG,
                    "option data may have at most " + MAX_OPTION_BYTES + " bytes");
        }
        return skipping == 0;
    }

    private void countOption() throws NbdException {
        if (++options > MAX_OPTIONS) {
            throw new NbdException("more than " + MAX_OPTIONS + " options in one handshake");
        }
    }

    private Outcome option(int option, ByteBuffer data, DataOutputStream reply) throws IOException {
        countOption();
        if (!fixed && option != NbdProtocol.OPT_EXPORT_NAME) {
            throw new NbdException("option " + option + " from a client without fixed newstyle");
        }
        switch (option) {
            case NbdProtocol.OPT_EXPORT_NAME -> {
                exportName(data, reply);
                return Outcome.TRANSMIT;
            }
            case NbdProtocol.OPT_ABORT -> {
                header(reply, option, NbdProtocol.REP_ACK, 0);
                return Outcome.CLOSE;
            }
            case NbdProtocol.OPT_LIST -> list(data, reply);
            case NbdProtocol.OPT_INFO, NbdProtocol.OPT_GO -> {
                boolean accepted = info(option, data, reply);
                return accepted && option == NbdProtocol.OPT_GO
                        ? Outcome.TRANSMIT
                        : Outcome.CONTINUE;
            }
            case NbdProtocol.OPT_STRUCTURED_REPLY -> {
                if (data.hasRemaining()) {
                    refuse(reply, option, NbdProtocol.REP_ERR_INVALID, "takes no data");
                } else {
                    structured = true;
                    header(reply, option, NbdProtocol.REP_ACK, 0);
                }
            }
            case NbdProtocol.OPT_LIST_META_CONTEXT, NbdProtocol.OPT_SET_META_CONTEXT ->
                    metaContext(option, data, reply);
            default ->
                    refuse(
                            reply,
                            option,
                            NbdProtocol.REP_ERR_UNSUP,
                            "option " + option + " is not known here");
        }
        return Outcome.CONTINUE;
    }

    private void exportName(ByteBuffer data, DataOutputStream reply) throws IOException {
        String name = string(data, data.remaining());
        if (name == null || !export.answersTo(name)) {
            throw new NbdException(
                    "there is no export of that name: this socket has " + export.name());
        }
        reply.writeLong(export.device().sizeBytes());
        reply.writeShort(export.flags(structured));
        if (!noZeroes) {
            reply.write(new byte[124]);
        }
    }

    private void list(ByteBuffer data, DataOutputStream reply) throws IOException {
        int option = NbdProtocol.OPT_LIST;
        if (data.hasRemaining()) {
            refuse(reply, option, NbdProtocol.REP_ERR_INVALID, "takes no data");
            return;
        }
        byte[] name = utf8(export.name());
        byte[] description = utf8(export.description());
        header(reply, option, NbdProtocol.REP_SERVER, 4 + name.length + description.length);
        reply.writeInt(name.length);
        reply.write(name);
        reply.write(description);
        header(reply, option, NbdProtocol.REP_ACK, 0);
    }

    private boolean info(int option, ByteBuffer data, DataOutputStream reply) throws IOException {
        String name = data.remaining() < 6 ? null : string(data, data.getInt());
        int items =
                name == null || data.remaining() < 2 ? -1 : Short.toUnsignedInt(data.getShort());
        if (name == null || items < 0 || data.remaining() != 2 * items) {
            refuse(reply, option, NbdProtocol.REP_ERR_INVALID, "lengths do not fit the option");
            return false;
        }
        if (!export.answersTo(name)) {
            refuseName(reply, option);
            return false;
        }
        boolean wantsName = false;
        boolean wantsDescription = false;
        boolean wantsBlockSize = false;
        for (int i = 0; i < items; i++) {
            int item = Short.toUnsignedInt(data.getShort());
            wantsName |= item == NbdProtocol.INFO_NAME;
            wantsDescription |= item == NbdProtocol.INFO_DESCRIPTION;
            wantsBlockSize |= item == NbdProtocol.INFO_BLOCK_SIZE;
        }
        header(reply, option, NbdProtocol.REP_INFO, 12);
        reply.writeShort(NbdProtocol.INFO_EXPORT);
        reply.writeLong(export.device().sizeBytes());
        reply.writeShort(export.flags(structured));
        if (wantsName) {
            infoText(reply, option, NbdProtocol.INFO_NAME, export.name());
        }
        if (wantsDescription) {
            infoText(reply, option, NbdProtocol.INFO_DESCRIPTION, export.description());
        }
        if (wantsBlockSize) {
            header(reply, option, NbdProtocol.REP_INFO, 14);
            reply.writeShort(NbdProtocol.INFO_BLOCK_SIZE);
            reply.writeInt(MINIMUM_BLOCK);
            reply.writeInt(BlockDevice.BLOCK_BYTES);
            reply.writeInt(BlockDevice.MAX_IO_BYTES);
        }
        header(reply, option, NbdProtocol.REP_ACK, 0);
        return true;
    }

    private static void infoText(DataOutputStream reply, int option, int type, String text)
            throws IOException {
        byte[] bytes = utf8(text);
        header(reply, option, NbdProtocol.REP_INFO, 2 + bytes.length);
        reply.writeShort(type);
        reply.write(bytes);
    }

    private void metaContext(int option, ByteBuffer data, DataOutputStream reply)
            throws IOException {
        boolean set = option == NbdProtocol.OPT_SET_META_CONTEXT;
        if (set) {
            // Replaces what was selected before, even where it fails.
            allocationContext = false;
        }
        if (!structured) {
            refuse(reply, option, NbdProtocol.REP_ERR_INVALID, "ask for structured replies first");
            return;
        }
        String name = data.remaining() < 8 ? null : string(data, data.getInt());
        long queries = name == null || data.remaining() < 4 ? -1 : data.getInt() & 0xffffffffL;
        boolean matched = queries == 0 && !set;
        for (long i = 0; i < queries; i++) {
            String query = data.remaining() < 4 ? null : string(data, data.getInt());
            if (query == null) {
                queries = -1;
            } else {
                matched |= query.equals(NbdProtocol.BASE_ALLOCATION);
                matched |= !set && query.equals(NbdProtocol.BASE_WILDCARD);
            }
        }
        if (name == null || queries < 0 || data.hasRemaining()) {
            refuse(reply, option, NbdProtocol.REP_ERR_INVALID, "lengths do not fit the option");
            return;
        }
        if (!export.answersTo(name)) {
            refuseName(reply, option);
            return;
        }
        if (matched) {
            byte[] context = utf8(NbdProtocol.BASE_ALLOCATION);
            header(reply, option, NbdProtocol.REP_META_CONTEXT, 4 + context.length);
            reply.writeInt(set ? NbdProtocol.BASE_ALLOCATION_ID : 0);
            reply.write(context);
            allocationContext |= set;
        }
        header(reply, option, NbdProtocol.REP_ACK, 0);
    }

    /// The next `length` bytes as a string; null where they are not all there or too many.
    private static @Nullable String string(ByteBuffer data, int length) {
        if (length < 0 || length > NbdProtocol.MAX_STRING_BYTES || length > data.remaining()) {
            return null;
        }
        byte[] bytes = new byte[length];
        data.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private void refuseName(DataOutputStream reply, int option) throws IOException {
        refuse(
                reply,
                option,
                NbdProtocol.REP_ERR_UNKNOWN,
                "there is no export of that name: this socket has '" + export.name() + "'");
    }

    private static void refuse(DataOutputStream reply, int option, int error, String message)
            throws IOException {
        byte[] text = utf8(message);
        header(reply, option, error, text.length);
        reply.write(text);
    }

    private static void header(DataOutputStream reply, int option, int type, int length)
            throws IOException {
        reply.writeLong(NbdProtocol.OPTION_REPLY_MAGIC);
        reply.writeInt(option);
        reply.writeInt(type);
        reply.writeInt(length);
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
