package io.cistern.block.fs.engine;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Works out changes. Deterministic: the effects and the reply follow from the rows, the request
/// and its index alone.
public final class Evaluator {
    /// Mode of a new share's root: everyone may create, only owners remove.
    private static final int ROOT_MODE = 01777;

    private Evaluator() {}

    /// A change worked out: [Transaction#commit] does it.
    public record Result(Reply reply, Transaction effects) {}

    /// Works out `request`.
    ///
    /// @param blocks contents that come with it, see [Preparation]
    /// @param index grows with every request; that of the log entry
    /// @throws CisternException UNAVAILABLE: the blocks were prepared from contents that have
    ///   changed since, nothing is to be done; CORRUPT: the rows contradict each other
    public static Result evaluate(Rows rows, FileRequest request, List<Blocks> blocks, long index) {
        Transaction tx = new Transaction(rows);
        Reply first = StateOps.first(tx, request.call());
        if (first != null) {
            return new Result(first, tx);
        }
        if (request.op() instanceof FileOp.Format format) {
            return new Result(format(tx, request, format, index), tx);
        }
        Change change = change(tx, request, blocks, index);
        OnceId once = request.call().once();
        Reply reply;
        try {
            StateOps state = new StateOps(change);
            if (once != null) {
                state.checkOnce(once);
            }
            state.holdFirst(request.call().holds());
            reply = evaluate(change, request.op());
            state.hold(request.call().holds(), subject(request.op(), reply));
            state.change(request.call().state());
        } catch (FileException refused) {
            tx.discard();
            reply = Reply.refused(refused);
            change = change(tx, request, blocks, index);
            if (once == null || full(change, once)) {
                return new Result(reply, tx);
            }
        }
        if (once != null) {
            new StateOps(change).remember(once, reply);
        }
        tx.put(RowKeys.SHARE, change.share.encode());
        if (once != null || !request.call().state().isEmpty() || touchesTotals(request)) {
            tx.put(RowKeys.TOTALS, change.totals.encode());
        }
        return new Result(reply, tx);
    }

    private static boolean touchesTotals(FileRequest request) {
        return !request.call().holds().isEmpty() || request.op() instanceof FileOp.Forget;
    }

    private static boolean full(Change change, OnceId once) {
        try {
            new StateOps(change).checkOnce(once);
            return false;
        } catch (FileException refused) {
            return true;
        }
    }

    private static Change change(
            Transaction tx, FileRequest request, List<Blocks> blocks, long index) {
        byte[] share = tx.get(RowKeys.SHARE);
        if (share == null) {
            throw new CisternException(ErrorCode.NOT_FOUND, "this is not a share");
        }
        StateRecord totals = StateRecord.decode(tx.get(RowKeys.TOTALS));
        return new Change(tx, ShareRecord.decode(share), totals, request, blocks, index);
    }

    private static Reply evaluate(Change change, FileOp op) {
        return switch (op) {
            case FileOp.Make o -> new NameOps(change).make(o);
            case FileOp.Link o -> new NameOps(change).link(o);
            case FileOp.Remove o -> new NameOps(change).remove(o);
            case FileOp.Rename o -> new NameOps(change).rename(o);
            case FileOp.SetAttr o -> new AttributeOps(change).set(o);
            case FileOp.SetXattr o -> new AttributeOps(change).setXattr(o);
            case FileOp.Write o -> new DataOps(change).write(o);
            case FileOp.Allocate o -> new DataOps(change).allocate(o);
            case FileOp.Deallocate o -> new DataOps(change).deallocate(o);
            case FileOp.Touch o -> Reply.DONE;
            case FileOp.Forget o -> new StateOps(change).forget(o.client());
            case FileOp.Clean o -> new CleanOps(change).clean();
            case FileOp.Configure o -> configure(change, o);
            case FileOp.Format o -> throw new IllegalStateException("formatted before");
        };
    }

    private static Reply configure(Change change, FileOp.Configure op) {
        Long quota = op.quotaBytes();
        if (quota != null) {
            change.share.quota = quota;
        }
        if (op.settings() != null) {
            change.tx.put(RowKeys.SETTINGS, op.settings().toByteArray());
        }
        return Reply.DONE;
    }

    /// The file that a hold without one means.
    private static @Nullable FileId subject(FileOp op, Reply reply) {
        return switch (op) {
            case FileOp.Make o -> reply.attributes(0).id();
            case FileOp.Link o -> o.file();
            case FileOp.Rename o -> reply.attributes(0).id();
            case FileOp.SetAttr o -> o.file();
            case FileOp.SetXattr o -> o.file();
            case FileOp.Write o -> o.file();
            case FileOp.Allocate o -> o.file();
            case FileOp.Deallocate o -> o.file();
            default -> null;
        };
    }

    private static Reply format(
            Transaction tx, FileRequest request, FileOp.Format format, long index) {
        if (tx.get(RowKeys.SHARE) != null) {
            return Reply.DONE;
        }
        ShareRecord share = new ShareRecord();
        share.nextInode = FileId.SNAPSHOTS_INODE + 1;
        share.quota = format.quotaBytes();
        Change change = new Change(tx, share, new StateRecord(), request, List.of(), index);
        Inode root = new Inode(FileId.ROOT_INODE, FileType.DIRECTORY, 0);
        root.mode = ROOT_MODE;
        root.links = 2;
        root.parent = FileId.ROOT_INODE;
        root.nextCookie = FileSystem.FIRST_COOKIE;
        change.modified(root);
        root.atime = change.now;
        root.btime = change.now;
        share.inodes = 1;
        change.save(root);
        tx.put(RowKeys.SHARE, share.encode());
        return Reply.DONE;
    }
}
