package io.cistern.nas.v4;

import io.cistern.nas.recovery.Adoption;
import io.cistern.nas.recovery.Recovery;
import io.cistern.nas.recovery.Removals;
import io.cistern.nas.rpc.RpcCall;
import io.cistern.nas.rpc.RpcException;
import io.cistern.nas.rpc.RpcException.Answer;
import io.cistern.nas.rpc.RpcPeer;
import io.cistern.nas.rpc.RpcProgram.Rest;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.OpenFiles;
import io.cistern.nas.share.Shares;
import io.cistern.nas.state.NfsState;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/// NFS version 4, minor versions 1 and 2. Any thread.
public final class Nfs4 {
    private static final int MAX_TAG_BYTES = 1_024;
    private static final int MAX_OPERATIONS = 1_024;

    private final Parts parts;
    private final AtomicLongArray calls = new AtomicLongArray(OpCode.values().length);

    /// What it is built on.
    ///
    /// @param recovery makes sure that a client that is given state could reclaim it
    /// @param serverId this server's name
    /// @param scope where file handles are good
    record Parts(
            Shares shares,
            NfsState state,
            Removals removals,
            Recovery recovery,
            Callbacks callbacks,
            Adoption adoption,
            String serverId,
            String scope) {}

    private Nfs4(Parts parts) {
        this.parts = parts;
    }

    /// NFSv4 and what NFSv3 shares with it.
    ///
    /// @param openFiles how files are changed that NFSv4 clients may have open
    public record Service(Nfs4 program, OpenFiles openFiles) {}

    public static Service create(
            Shares shares, NfsState state, Recovery recovery, String serverId, String scope) {
        Callbacks callbacks = new Callbacks();
        Removals removals = new Removals(state, new Recalls(state, callbacks));
        Adoption adoption = new Adoption(shares, state);
        Parts parts =
                new Parts(shares, state, removals, recovery, callbacks, adoption, serverId, scope);
        return new Service(new Nfs4(parts), removals);
    }

    /// How often each operation was called.
    public Map<String, Long> calls() {
        Map<String, Long> counts = new HashMap<>();
        for (OpCode code : OpCode.values()) {
            counts.put(code.name().toLowerCase(Locale.ROOT), calls.get(code.ordinal()));
        }
        return counts;
    }

    public void disconnected(RpcPeer peer) {
        parts.state().disconnected(peer.id());
    }

    /// See [RpcProgram#begin].
    public @Nullable Rest begin(RpcCall call, XdrWriter out) {
        return switch (call.procedure()) {
            case 0 -> null;
            case 1 -> compound(call, out);
            default -> throw new RpcException(Answer.PROC_UNAVAIL, "no such procedure of NFSv4");
        };
    }

    private @Nullable Rest compound(RpcCall call, XdrWriter out) {
        XdrReader in = call.args();
        byte[] tag = in.readOpaque(MAX_TAG_BYTES, "tag");
        int minorVersion = in.readInt();
        int count = in.readCount(MAX_OPERATIONS, "operations");
        if (minorVersion < 1 || minorVersion > 2) {
            out.writeInt(Status4.MINOR_VERS_MISMATCH).writeOpaque(tag).writeInt(0);
            return null;
        }
        if (!Utf8.valid(tag)) {
            out.writeInt(NfsStatus.INVAL).writeOpaque(tag).writeInt(0);
            return null;
        }
        Compound compound = new Compound(parts, call, minorVersion, count);
        CompoundRunner runner =
                new CompoundRunner(
                        compound,
                        in,
                        tag,
                        out.allocator(),
                        c -> calls.incrementAndGet(c.ordinal()));
        return runner.begin(out) ? null : runner;
    }
}
