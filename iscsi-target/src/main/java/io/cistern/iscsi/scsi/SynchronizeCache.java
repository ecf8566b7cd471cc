package io.cistern.iscsi.scsi;

import java.util.concurrent.CompletableFuture;

/// SYNCHRONIZE CACHE (10) and (16) (SBC-3 5.24). Completed writes are durable already; this waits
/// for the device to say so. A length of zero means to the end.
final class SynchronizeCache implements Operation {
    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        BlockRange.of(request.cdb()).check(request.unit(), Long.MAX_VALUE);
        return request.unit().device().flush().thenApply(done -> ScsiResult.good());
    }
}
