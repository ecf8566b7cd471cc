package io.cistern.nas.mount;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileId;
import io.cistern.nas.rpc.Credential;
import io.cistern.nas.rpc.RpcCall;
import io.cistern.nas.rpc.RpcException;
import io.cistern.nas.rpc.RpcException.Answer;
import io.cistern.nas.rpc.RpcProgram;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.ClientRule;
import io.cistern.nas.share.FileHandle;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.ShareEntry;
import io.cistern.nas.share.Shares;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// MOUNT version 3 (RFC 1813 appendix I). The list of mounts is what clients said, no more: it is
/// bounded, kept in memory, and nothing depends on it.
public final class MountProgram implements RpcProgram {
    public static final int PROGRAM = 100_005;

    private static final int MAX_PATH_BYTES = 1_024;
    private static final int MAX_MOUNTS = 4_096;
    private static final int MAX_DEPTH = 64;

    private final Shares shares;

    // Guarded by itself.
    private final Set<Mount> mounts = new LinkedHashSet<>();

    /// What a client said it mounted.
    public record Mount(String host, String path) {}

    public MountProgram(Shares shares) {
        this.shares = shares;
    }

    @Override
    public int number() {
        return PROGRAM;
    }

    @Override
    public int lowestVersion() {
        return 3;
    }

    @Override
    public int highestVersion() {
        return 3;
    }

    public List<Mount> mounts() {
        synchronized (mounts) {
            return List.copyOf(mounts);
        }
    }

    @Override
    public boolean call(RpcCall call, XdrWriter out) {
        XdrReader in = call.args();
        switch (call.procedure()) {
            case 0 -> {}
            case 1 -> mount(call, in.readString(MAX_PATH_BYTES, "path"), out);
            case 2 -> dump(out);
            case 3 -> {
                String path = in.readString(MAX_PATH_BYTES, "path");
                forget(new Mount(host(call), path));
            }
            case 4 -> {
                String host = host(call);
                synchronized (mounts) {
                    mounts.removeIf(m -> m.host.equals(host));
                }
            }
            case 5 -> export(call, out);
            default -> throw new RpcException(Answer.PROC_UNAVAIL, "no such MOUNT procedure");
        }
        return true;
    }

    private static String host(RpcCall call) {
        return call.peer().host().getHostAddress();
    }

    private void mount(RpcCall call, String path, XdrWriter out) {
        byte[] handle;
        try {
            handle = resolve(call, path);
        } catch (RuntimeException e) {
            int status = NfsStatus.of(e, 3);
            out.writeInt(status == NfsStatus.DELAY ? NfsStatus.SERVERFAULT : status);
            return;
        }
        synchronized (mounts) {
            if (mounts.size() < MAX_MOUNTS) {
                mounts.add(new Mount(host(call), path));
            }
        }
        out.writeInt(NfsStatus.OK).writeOpaque(handle);
        out.writeInt(2).writeInt(Credential.FLAVOR_SYS).writeInt(Credential.FLAVOR_NONE);
    }

    /// `/NAME`, or a directory below it.
    private byte[] resolve(RpcCall call, String path) {
        List<String> parts = new ArrayList<>();
        for (String part : path.split("/")) {
            if (!part.isEmpty()) {
                parts.add(part);
            }
        }
        ShareEntry share = parts.isEmpty() ? null : shares.find(parts.getFirst());
        if (share == null) {
            throw new NfsException(NfsStatus.NOENT, "no share of that name");
        }
        if (parts.size() > MAX_DEPTH) {
            throw new NfsException(NfsStatus.NAMETOOLONG, "too deep");
        }
        Access access = shares.access(share, FileId.ROOT, call);
        Attributes at = await(access.files().attributes(FileId.ROOT));
        for (String part : parts.subList(1, parts.size())) {
            at = await(access.files().lookup(access.who(), at.id(), ByteString.utf8(part))).file();
        }
        if (!at.isDirectory()) {
            throw new NfsException(NfsStatus.NOTDIR, "not a directory");
        }
        return shares.handles().encode(new FileHandle.InShare(share.id(), at.id()));
    }

    private void forget(Mount mount) {
        synchronized (mounts) {
            mounts.remove(mount);
        }
    }

    private void dump(XdrWriter out) {
        for (Mount mount : mounts()) {
            out.writeBool(true).writeString(mount.host).writeString(mount.path);
        }
        out.writeBool(false);
    }

    private void export(RpcCall call, XdrWriter out) {
        for (ShareEntry share : shares.visibleTo(call)) {
            out.writeBool(true).writeOpaque(("/" + share.name()).getBytes(StandardCharsets.UTF_8));
            for (ClientRule rule : share.rules()) {
                out.writeBool(true).writeString(rule.clients().toString());
            }
            out.writeBool(false);
        }
        out.writeBool(false);
    }
}
