package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.vmdisk.ReplyEncoder.Failure;
import org.jspecify.annotations.Nullable;

/// Which requests are refused before the device sees them, and with which error.
final class Rules {
    private Rules() {}

    /// True for commands that change the device.
    static boolean writes(int type) {
        return type == NbdProtocol.CMD_WRITE || type == NbdProtocol.CMD_WRITE_ZEROES;
    }

    /// @param refusing true once the export is going away
    /// @return null where the request is to be carried out
    static @Nullable Failure check(RequestHeader request, Session session, boolean refusing) {
        int type = request.type();
        int allowed = allowedFlags(type, session.structured());
        if (allowed < 0) {
            return new Failure(NbdProtocol.EINVAL, "command " + type + " is not known here");
        }
        if (refusing) {
            return new Failure(NbdProtocol.ESHUTDOWN, "the volume is being detached");
        }
        if ((request.flags() & ~allowed) != 0) {
            return new Failure(
                    NbdProtocol.EINVAL,
                    "flags 0x"
                            + Integer.toHexString(request.flags())
                            + " do not go with command "
                            + type);
        }
        if (type == NbdProtocol.CMD_FLUSH) {
            return request.offset() == 0 && request.length() == 0
                    ? null
                    : new Failure(NbdProtocol.EINVAL, "flush takes neither offset nor length");
        }
        if (session.export().readOnly() && (writes(type) || type == NbdProtocol.CMD_TRIM)) {
            return new Failure(
                    NbdProtocol.EPERM,
                    "volume " + session.export().name() + " is attached read-only");
        }
        long size = session.export().device().sizeBytes();
        if (!request.within(size)) {
            return new Failure(
                    writes(type) ? NbdProtocol.ENOSPC : NbdProtocol.EINVAL,
                    request.length()
                            + " bytes at "
                            + Long.toUnsignedString(request.offset())
                            + " end beyond the volume's "
                            + size
                            + " bytes");
        }
        return tooLong(request, session);
    }

    private static @Nullable Failure tooLong(RequestHeader request, Session session) {
        int type = request.type();
        boolean payload = type == NbdProtocol.CMD_READ || type == NbdProtocol.CMD_WRITE;
        if (payload && request.length() > BlockDevice.MAX_IO_BYTES) {
            boolean fragmentable = type == NbdProtocol.CMD_READ && session.structured();
            return new Failure(
                    fragmentable ? NbdProtocol.EOVERFLOW : NbdProtocol.EINVAL,
                    request.length()
                            + " bytes in one request; the most is "
                            + BlockDevice.MAX_IO_BYTES);
        }
        if (type == NbdProtocol.CMD_BLOCK_STATUS) {
            if (!session.blockStatus()) {
                return new Failure(NbdProtocol.EINVAL, "base:allocation was not selected");
            }
            if (request.length() == 0) {
                return new Failure(NbdProtocol.EINVAL, "block status of nothing");
            }
        }
        return null;
    }

    /// The flags a command takes; negative for an unknown command.
    private static int allowedFlags(int type, boolean structured) {
        return switch (type) {
            case NbdProtocol.CMD_READ ->
                    NbdProtocol.CMD_FLAG_FUA | (structured ? NbdProtocol.CMD_FLAG_DF : 0);
            case NbdProtocol.CMD_WRITE,
                    NbdProtocol.CMD_FLUSH,
                    NbdProtocol.CMD_TRIM,
                    NbdProtocol.CMD_CACHE ->
                    NbdProtocol.CMD_FLAG_FUA;
            case NbdProtocol.CMD_WRITE_ZEROES ->
                    NbdProtocol.CMD_FLAG_FUA
                            | NbdProtocol.CMD_FLAG_NO_HOLE
                            | NbdProtocol.CMD_FLAG_FAST_ZERO;
            case NbdProtocol.CMD_BLOCK_STATUS ->
                    NbdProtocol.CMD_FLAG_FUA | NbdProtocol.CMD_FLAG_REQ_ONE;
            default -> -1;
        };
    }
}
