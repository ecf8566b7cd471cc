package io.cistern.iscsi.scsi;

import io.cistern.block.GuardedDevice;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// ORWRITE (16) (SBC-3 5.8). Each 128 KiB of the range is one step with respect to other commands.
final class OrWrite implements Operation {
    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        return BlockRange.of(cdb).check(unit).bytes(unit);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        BlockRange range = BlockRange.of(request.cdb()).check(unit);
        ByteBuffer data = request.dataOut((int) range.bytes(unit));
        return Steps.run(
                        range.bytes(unit),
                        GuardedDevice.MAX_ATOMIC_BYTES,
                        (at, length) ->
                                request.io()
                                        .or(
                                                range.offset(unit) + at,
                                                data.slice((int) at, (int) length)))
                .thenApply(done -> ScsiResult.good());
    }
}
