package io.cistern.nas.rpc;

import io.cistern.nas.rpc.RpcException.Answer;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.util.List;

/// Tells clients the ports of programs (RFC 1833 section 3, version 2). It serves what it was built
/// with: registering from outside is refused, and so is calling through it.
public final class Portmapper implements RpcProgram {
    public static final int PROGRAM = 100_000;
    public static final int PORT = 111;
    private static final int TCP = 6;

    private final List<Mapping> mappings;

    /// @param port TCP
    public record Mapping(int program, int version, int port) {}

    public Portmapper(List<Mapping> mappings) {
        this.mappings = List.copyOf(mappings);
    }

    @Override
    public int number() {
        return PROGRAM;
    }

    @Override
    public int lowestVersion() {
        return 2;
    }

    @Override
    public int highestVersion() {
        return 2;
    }

    @Override
    public boolean call(RpcCall call, XdrWriter result) {
        XdrReader in = call.args();
        switch (call.procedure()) {
            case 0 -> {}
            case 1, 2 -> {
                readMapping(in);
                result.writeBool(false);
            }
            case 3 -> result.writeInt(portOf(in));
            case 4 -> dump(result);
            default -> throw new RpcException(Answer.PROC_UNAVAIL, "portmapper procedure");
        }
        return true;
    }

    private static int[] readMapping(XdrReader in) {
        return new int[] {in.readInt(), in.readInt(), in.readInt(), in.readInt()};
    }

    /// 0 where the program is not offered. A wrong version is answered with a right one's port, so
    /// that the program itself can say which versions it has.
    private int portOf(XdrReader in) {
        int[] asked = readMapping(in);
        if (asked[2] != TCP) {
            return 0;
        }
        int port = 0;
        for (Mapping m : mappings) {
            if (m.program == asked[0] && (port == 0 || m.version == asked[1])) {
                port = m.port;
            }
        }
        return port;
    }

    private void dump(XdrWriter out) {
        for (Mapping m : mappings) {
            out.writeBool(true)
                    .writeInt(m.program)
                    .writeInt(m.version)
                    .writeInt(TCP)
                    .writeInt(m.port);
        }
        out.writeBool(false);
    }
}
