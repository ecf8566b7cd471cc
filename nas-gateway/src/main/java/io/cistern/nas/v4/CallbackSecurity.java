package io.cistern.nas.v4;

import io.cistern.nas.rpc.Credential;
import io.cistern.nas.state.BackChannel;
import io.cistern.nas.xdr.XdrException;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How a client wants to be called back (callback_sec_parms4, RFC 8881 section 18.33.1).
final class CallbackSecurity {
    private static final int MAX_CHOICES = 16;
    private static final int MAX_MACHINE_BYTES = 255;
    private static final int MAX_GIDS = 16;
    private static final int MAX_HANDLE_BYTES = 1_024;

    private CallbackSecurity() {}

    /// The first choice that this server can make.
    ///
    /// @return null: none of them; an empty list stands for AUTH_NONE
    static BackChannel.@Nullable Security read(XdrReader in) {
        int count = in.readCount(MAX_CHOICES, "callback security");
        BackChannel.Security chosen = count == 0 ? none() : null;
        for (int i = 0; i < count; i++) {
            BackChannel.Security choice = readOne(in);
            chosen = chosen == null ? choice : chosen;
        }
        return chosen;
    }

    private static BackChannel.Security none() {
        return new BackChannel.Security(Credential.FLAVOR_NONE, new byte[0]);
    }

    private static BackChannel.@Nullable Security readOne(XdrReader in) {
        return switch (in.readInt()) {
            case Credential.FLAVOR_NONE -> none();
            case Credential.FLAVOR_SYS -> sys(in);
            case Credential.FLAVOR_GSS -> {
                in.readInt();
                in.readOpaque(MAX_HANDLE_BYTES, "handle");
                in.readOpaque(MAX_HANDLE_BYTES, "handle");
                yield null;
            }
            default -> throw new XdrException("unknown callback security flavor");
        };
    }

    /// AUTH_SYS with the very names that the client said.
    private static BackChannel.Security sys(XdrReader in) {
        int stamp = in.readInt();
        byte[] machine = in.readOpaque(MAX_MACHINE_BYTES, "machine name");
        int uid = in.readInt();
        int gid = in.readInt();
        List<Integer> gids = in.readList(MAX_GIDS, "groups", XdrReader::readInt);
        try (XdrWriter out = new XdrWriter(UnpooledByteBufAllocator.DEFAULT)) {
            out.writeInt(stamp).writeOpaque(machine).writeInt(uid).writeInt(gid);
            out.writeInt(gids.size());
            gids.forEach(out::writeInt);
            ByteBuf bytes = out.take();
            try {
                return new BackChannel.Security(Credential.FLAVOR_SYS, ByteBufUtil.getBytes(bytes));
            } finally {
                bytes.release();
            }
        }
    }
}
