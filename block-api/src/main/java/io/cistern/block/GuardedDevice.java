package io.cistern.block;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/// A device whose users on several nodes agree on something through one small replicated record
/// (SCSI reservations, resets), and whose requests can be made conditional on it.
///
/// Each request names the version of the record that its sender acted upon, its guard. The request
/// takes effect only while the record still has that version at the request's place in the group's
/// log; otherwise it fails with [ErrorCode#CHANGED] and has had no effect: read the record again,
/// decide again. So once [#replaceRecord] has completed, no request that was allowed under the old
/// record can take effect any more, whichever node it came through.
///
/// A write or zero request longer than 512 KiB may have taken effect in part when it fails so, like
/// any that fails; the rest of it never will.
///
/// Threading and failures are those of [BlockDevice].
public interface GuardedDevice extends BlockDevice {
    /// A request that depends on no record.
    long NO_GUARD = -1;

    /// Largest [SharedRecord#bytes]. 64 KiB.
    int MAX_RECORD_BYTES = 64 << 10;

    /// Largest range of [#writeAtomic], [#compareAndWrite] and [#or]. 128 KiB.
    int MAX_ATOMIC_BYTES = 128 << 10;

    /// The record at one version. Version 0 is the empty record of a new volume; each replacement
    /// adds one.
    ///
    /// @param bytes read only, at most [#MAX_RECORD_BYTES]
    record SharedRecord(long version, ByteBuffer bytes) {
        public static final SharedRecord EMPTY =
                new SharedRecord(0, ByteBuffer.allocate(0).asReadOnlyBuffer());
    }

    /// As [BlockDevice#read]; the guard is checked when the bytes are read. One of up to 1 MiB sees
    /// all or nothing of each atomic change; of a longer one that is true for its parts.
    CompletableFuture<Void> read(long offset, ByteBuffer dst, long guard);

    /// As [BlockDevice#write].
    CompletableFuture<Void> write(long offset, ByteBuffer src, long guard);

    /// As [BlockDevice#write], but the whole range changes at once: no reader, and no reader after
    /// a crash, sees a part of it.
    ///
    /// @param src at most [#MAX_ATOMIC_BYTES]
    CompletableFuture<Void> writeAtomic(long offset, ByteBuffer src, long guard);

    /// As [BlockDevice#zero].
    CompletableFuture<Void> zero(long offset, long length, boolean unmap, long guard);

    /// Writes `data` if the range holds `expected`, as one step with respect to every other request
    /// from anywhere.
    ///
    /// @param expected as long as `data`, at most [#MAX_ATOMIC_BYTES]
    /// @return -1 when written; else the offset within the range of the first byte that differs,
    ///   and nothing was written
    CompletableFuture<Long> compareAndWrite(
            long offset, ByteBuffer expected, ByteBuffer data, long guard);

    /// Ors `data` into the range, as one step likewise.
    CompletableFuture<Void> or(long offset, ByteBuffer data, long guard);

    /// The record, at least as new as any replacement completed before the call.
    CompletableFuture<SharedRecord> record();

    /// The newest record this device knows of. Cheap; may be a second old.
    SharedRecord knownRecord();

    /// Replaces the record if it has `expectedVersion` still. Exactly once, however often it had to
    /// be sent.
    ///
    /// @return the new record; CHANGED where another replaced it first, LIMIT where `bytes` is too
    ///   long
    CompletableFuture<SharedRecord> replaceRecord(long expectedVersion, ByteBuffer bytes);

    /// Calls `listener` with each newer record this device learns of, until the handle is closed.
    /// Versions may be skipped, never repeated or reversed. Do not block in it.
    AutoCloseable onRecord(Consumer<SharedRecord> listener);
}
