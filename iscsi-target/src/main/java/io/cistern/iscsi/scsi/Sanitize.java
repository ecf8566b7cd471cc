package io.cistern.iscsi.scsi;

import java.util.concurrent.CompletableFuture;

/// SANITIZE with BLOCK ERASE (SBC-3 5.19): the whole unit is freed in one step and reads as zeroes.
/// Being one step it is never seen in progress, and one that fails has done nothing; with IMMED the
/// status comes at the end all the same. What snapshots of the volume keep is not this unit's.
final class Sanitize implements Operation {
    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        LogicalUnit unit = request.unit();
        return request.io()
                .zero(0, unit.device().sizeBytes(), true)
                .thenApply(done -> ScsiResult.good());
    }
}
