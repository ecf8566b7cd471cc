package io.cistern.iscsi.scsi;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.util.concurrent.CompletableFuture;

/// READ (6), (10), (12) and (16) (SBC-3 5.10). Every read is served from what is durable, so FUA
/// and DPO change nothing.
final class ReadBlocks implements Operation {
    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        BlockRange range = BlockRange.of(request.cdb()).check(unit);
        if (range.blocks() == 0) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        return read(request, range).thenApply(ScsiResult::good);
    }

    /// The bytes of a range, or the failure of its first block that cannot be read. The caller
    /// releases the buffer.
    static CompletableFuture<ByteBuf> read(Request request, BlockRange range) {
        LogicalUnit unit = request.unit();
        int length = (int) range.bytes(unit);
        ByteBuf data = PooledByteBufAllocator.DEFAULT.directBuffer(length, length);
        return request.io()
                .read(range.offset(unit), data.nioBuffer(0, length))
                .handle((done, failure) -> {
                    if (failure == null) {
                        return CompletableFuture.completedFuture(data.writerIndex(length));
                    }
                    data.release();
                    return Failures.isCorrupt(failure)
                            ? firstBad(request, range)
                            : CompletableFuture.<ByteBuf>failedFuture(failure);
                })
                .thenCompose(found -> found);
    }

    /// Halves a range that holds a bad block until the first one is found: INFORMATION names it.
    private static CompletableFuture<ByteBuf> firstBad(Request request, BlockRange range) {
        if (range.blocks() == 1) {
            return CompletableFuture.failedFuture(
                    Refusal.of(Sense.at(Condition.UNRECOVERED_READ_ERROR, range.lba())));
        }
        long half = range.blocks() / 2;
        BlockRange first = new BlockRange(range.lba(), half, 0);
        BlockRange second = new BlockRange(range.lba() + half, range.blocks() - half, 0);
        return read(request, first)
                .thenCompose(sound -> {
                    sound.release();
                    return firstBad(request, second);
                });
    }
}
