package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.engine.BlockSpace;
import io.cistern.block.fs.engine.Evaluator;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.RowKeys;
import io.cistern.storage.Command.FileChange;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// What a [FileChange] does to rows and blocks. Called with the store's lock held. Deterministic.
///
/// Unlike blocks, rows are worked out from what is there: a replay begins from the very rows of the
/// checkpoint, since rows change nowhere but here and in the checkpoint's batch.
final class ShareCommands {
    private final FileRows rows;
    private final BlockWriter writer;

    ShareCommands(FileRows rows, BlockWriter writer) {
        this.rows = rows;
        this.writer = writer;
    }

    /// Whether a request needs no attachment: what an administrator does.
    static boolean administrative(FileChange c) {
        try {
            FileOp op = FileRequest.decode(c.request()).op();
            return op instanceof FileOp.Format || op instanceof FileOp.Configure;
        } catch (CisternException malformed) {
            return false;
        }
    }

    Outcome apply(Volume volume, long index, FileChange c) {
        Branch branch = volume.branch;
        int epoch = volume.epoch;
        Evaluator.Result result;
        try {
            result =
                    Evaluator.evaluate(
                            ShareViews.rows(rows, volume.id, branch, epoch, true),
                            FileRequest.decode(c.request()),
                            c.blocks(),
                            index);
        } catch (CisternException e) {
            if (e.code() == ErrorCode.CORRUPT) {
                throw e;
            }
            return Outcome.refused(e.code(), String.valueOf(e.getMessage()));
        }
        rows.change(() ->
                result.effects()
                        .commit(
                                new Space(branch, index),
                                (key, value) -> {
                                    if (!RowKeys.isContent(key)) {
                                        rows.putOwn(volume.id, key, value);
                                    } else if (value == null) {
                                        rows.delete(branch, epoch, key);
                                    } else {
                                        rows.put(branch, epoch, key, value);
                                    }
                                }));
        return Outcome.replied(result.reply().encode());
    }

    /// The share's data space at one entry.
    private final class Space implements BlockSpace {
        private final Branch branch;
        private final long index;

        Space(Branch branch, long index) {
            this.branch = branch;
            this.index = index;
        }

        @Override
        public void write(long offset, int[] crcs, ByteBuffer data) {
            writer.write(branch, offset, crcs, data, index);
        }

        @Override
        public void zero(long offset, long length) {
            writer.zero(branch, offset, length, true, index);
        }
    }

    /// A volume is gone: forgets what only it had. In proportion to that.
    void deleted(long volume) {
        byte[] prefix = FileKeys.own(rows.group(), volume, new byte[0]);
        List<byte[]> keys = new ArrayList<>();
        try (FileScan scan = new FileScan(rows, prefix, prefix, true, true)) {
            while (scan.next()) {
                keys.add(scan.key());
            }
        }
        keys.forEach(key -> rows.store(key, FileLayer.DELETED));
    }
}
