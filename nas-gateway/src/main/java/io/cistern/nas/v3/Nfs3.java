package io.cistern.nas.v3;

import io.cistern.block.fs.WouldBlockException;
import io.cistern.nas.rpc.ReplyCache;
import io.cistern.nas.rpc.RpcCall;
import io.cistern.nas.rpc.RpcException;
import io.cistern.nas.rpc.RpcException.Answer;
import io.cistern.nas.rpc.RpcProgram.Rest;
import io.cistern.nas.share.OpenFiles;
import io.cistern.nas.share.Shares;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/// NFS version 3: its 22 procedures. Any thread.
public final class Nfs3 {
    public static final int PROCEDURES = 22;

    private static final String[] NAMES = {
        "null", "getattr", "setattr", "lookup", "access", "readlink", "read", "write", "create",
        "mkdir", "symlink", "mknod", "remove", "rmdir", "rename", "link", "readdir", "readdirplus",
        "fsstat", "fsinfo", "pathconf", "commit"
    };

    /// SETATTR, WRITE, and everything that changes names: not to be carried out twice. WRITE is
    /// among them because a repetition could come after a later write of the same bytes.
    private static final Set<Integer> ONCE = Set.of(2, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    /// GETATTR, LOOKUP, ACCESS, READLINK, READ, FSINFO, PATHCONF and COMMIT change nothing and need
    /// no more than what is often in memory.
    private static final Set<Integer> AT_ONCE = Set.of(0, 1, 3, 4, 5, 6, 19, 20, 21);

    private final Shares shares;
    private final OpenFiles openFiles;
    private final ReplyCache replies;
    private final Procedure3[] procedures;
    private final AtomicLongArray calls = new AtomicLongArray(PROCEDURES);

    public Nfs3(Shares shares, OpenFiles openFiles, int cachedReplies) {
        this.shares = shares;
        this.openFiles = openFiles;
        this.replies = new ReplyCache(cachedReplies);
        NameProcedures names = new NameProcedures();
        this.procedures =
                new Procedure3[] {
                    (request, in) -> {},
                    AttributeProcedures::getattr,
                    AttributeProcedures::setattr,
                    AttributeProcedures::lookup,
                    AttributeProcedures::access,
                    AttributeProcedures::readlink,
                    DataProcedures::read,
                    DataProcedures::write,
                    names::create,
                    names::mkdir,
                    names::symlink,
                    names::mknod,
                    names::remove,
                    names::rmdir,
                    names::rename,
                    names::link,
                    ListingProcedures::readdir,
                    ListingProcedures::readdirplus,
                    ShareProcedures::fsstat,
                    ShareProcedures::fsinfo,
                    ShareProcedures::pathconf,
                    DataProcedures::commit
                };
    }

    public static String nameOf(int procedure) {
        return NAMES[procedure];
    }

    /// How often a procedure was called.
    public long calls(int procedure) {
        return calls.get(procedure);
    }

    /// See [RpcProgram#begin].
    public @Nullable Rest begin(RpcCall call, XdrWriter out) {
        int number = call.procedure();
        if (number < 0 || number >= PROCEDURES) {
            throw new RpcException(Answer.PROC_UNAVAIL, "no such procedure of NFSv3");
        }
        calls.incrementAndGet(number);
        if (AT_ONCE.contains(number)) {
            XdrWriter.Mark begin = out.mark();
            try {
                run(call, out);
                return null;
            } catch (WouldBlockException e) {
                out.reset(begin);
            }
        }
        RpcCall waiting = call.waiting();
        return ONCE.contains(number) ? o -> once(waiting, o) : o -> run(waiting, o);
    }

    private boolean run(RpcCall call, XdrWriter out) {
        procedures[call.procedure()].run(new Request3(shares, openFiles, call, out), call.args());
        return true;
    }

    private boolean once(RpcCall call, XdrWriter out) {
        ReplyCache.Key key = ReplyCache.Key.of(call);
        CompletableFuture<byte[]> first = replies.begin(key);
        if (first != null) {
            try {
                out.writeFixed(first.join());
                return true;
            } catch (CancellationException e) {
                return false; // the first one got an RPC error; the client will ask again
            }
        }
        boolean finished = false;
        try {
            run(call, out);
            ByteBuf result = out.take();
            replies.finish(key, ByteBufUtil.getBytes(result));
            out.append(result);
            finished = true;
            return true;
        } finally {
            if (!finished) {
                replies.abandon(key);
            }
        }
    }
}
