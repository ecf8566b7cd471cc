package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.Reply;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Origin;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.AtomicWrite;
import io.cistern.storage.group.VolumeGroup.Receipt;
import io.cistern.volume.VolumeDevice;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// An open volume or snapshot. Buffers passed in keep their position and limit.
final class Device implements VolumeDevice {
    /// Longest part of a request that travels as one, and what parts are aligned to. 1 MiB.
    static final int PART_BYTES = 1 << 20;

    /// Longest zeroed or discarded range that travels as one. 1 GiB.
    static final long ZERO_PART_BYTES = 1L << 30;

    private static final long LIMIT_PAUSE_MILLIS = 5;
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0).asReadOnlyBuffer();

    private final Opened opened;
    private final Client client;
    private final GroupRoute route;
    private final Admission admission;
    private final VolumeWatch volume;
    private final ReadView view;
    private final RecordAccess records;
    private final AtomicBoolean refreshing = new AtomicBoolean();
    private final DeviceCounters counters = new DeviceCounters();

    Device(Opened opened, Client client, GroupRoute route, VolumeState state) {
        this.opened = opened;
        this.client = client;
        this.route = route;
        this.admission = client.newAdmission();
        this.volume = new VolumeWatch(opened, admission, state.sizeBytes());
        this.view = new ReadView(opened, route);
        this.records = new RecordAccess(this, opened, client, volume);
        apply(state);
    }

    // ---- as seen by the user

    @Override
    public String name() {
        return opened.name();
    }

    @Override
    public long volumeId() {
        return opened.volume();
    }

    @Override
    public long attachment() {
        return opened.attachment();
    }

    @Override
    public AttachMode mode() {
        return opened.mode();
    }

    @Override
    public long sizeBytes() {
        return volume.sizeBytes();
    }

    @Override
    public boolean readOnly() {
        return volume.readOnly();
    }

    @Override
    public Limits limits() {
        return volume.limits();
    }

    @Override
    public CompletableFuture<CisternException> ended() {
        return volume.ended();
    }

    @Override
    public @Nullable String leader() {
        return route.lastLeader();
    }

    @Override
    public AutoCloseable onLeader(Runnable listener) {
        return route.onLeader(listener);
    }

    @Override
    public Stats stats() {
        return counters.stats(admission.inFlight());
    }

    @Override
    public boolean tryRead(long offset, ByteBuffer dst) {
        Member local = route.local();
        if (local == null
                || volume.refusal(offset, dst.remaining()) != null
                || dst.remaining() > PART_BYTES
                || !admission.passes(dst.remaining())) {
            return false;
        }
        int length = dst.remaining();
        if (!local.group().tryRead(view.request(), offset, dst.duplicate())) {
            return false;
        }
        // A follower may have applied what the leader has not yet: a later read must not go back.
        view.saw(local.visibleIndex());
        counters.read(length, 0);
        return true;
    }

    @Override
    public CompletableFuture<Void> read(long offset, ByteBuffer dst) {
        return read(offset, dst, NO_GUARD);
    }

    @Override
    public CompletableFuture<Void> read(long offset, ByteBuffer dst, long guard) {
        CisternException refusal = volume.refusal(offset, dst.remaining());
        if (refusal != null) {
            return CompletableFuture.failedFuture(refusal);
        }
        if (guard != NO_GUARD && readAtOnce(offset, dst, guard)) {
            return CompletableFuture.completedFuture(null);
        }
        Parts.Maker maker =
                (at, from, length, result) ->
                        new Requests.Read(
                                this,
                                at,
                                Parts.slice(dst, from, length),
                                guard,
                                result,
                                nanoTime());
        // One that fits into a part is not cut, so that it shows atomic writes whole.
        return guard != NO_GUARD && dst.remaining() <= PART_BYTES
                ? Parts.submitWhole(admission, offset, dst.remaining(), maker)
                : inParts(offset, dst.remaining(), PART_BYTES, maker);
    }

    /// A guarded read, where this process leads and has the bytes in memory.
    private boolean readAtOnce(long offset, ByteBuffer dst, long guard) {
        Member leader = route.leader();
        int length = dst.remaining();
        if (leader == null
                || !leader.local()
                || length > PART_BYTES
                || !admission.passes(length)
                || !leader.group().tryRead(view.request(guard), offset, dst.duplicate())) {
            return false;
        }
        counters.read(length, 0);
        return true;
    }

    @Override
    public CompletableFuture<Void> write(long offset, ByteBuffer src) {
        return write(offset, src, NO_GUARD);
    }

    @Override
    public CompletableFuture<Void> write(long offset, ByteBuffer src, long guard) {
        CisternException refusal = volume.writeRefusal(offset, src.remaining());
        if (refusal != null) {
            return CompletableFuture.failedFuture(refusal);
        }
        return inParts(
                offset,
                src.remaining(),
                PART_BYTES,
                (at, from, length, result) ->
                        new Requests.Write(
                                this,
                                at,
                                Parts.slice(src, from, length),
                                guard,
                                result,
                                nanoTime()));
    }

    @Override
    public CompletableFuture<Void> writeAtomic(long offset, ByteBuffer src, long guard) {
        return atomic(AtomicWrite.Kind.WRITE, offset, NOTHING, src, guard).thenApply(done -> null);
    }

    @Override
    public CompletableFuture<Void> or(long offset, ByteBuffer data, long guard) {
        return atomic(AtomicWrite.Kind.OR, offset, NOTHING, data, guard).thenApply(done -> null);
    }

    @Override
    public CompletableFuture<Long> compareAndWrite(
            long offset, ByteBuffer expected, ByteBuffer data, long guard) {
        return atomic(AtomicWrite.Kind.COMPARE, offset, expected, data, guard)
                .thenApply(differs -> differs - 1);
    }

    private CompletableFuture<Long> atomic(
            AtomicWrite.Kind kind, long offset, ByteBuffer expected, ByteBuffer data, long guard) {
        CisternException refusal = volume.writeRefusal(offset, data.remaining());
        if (refusal != null) {
            return CompletableFuture.failedFuture(refusal);
        }
        AtomicWrite write;
        try {
            write = new AtomicWrite(kind, offset, expected.duplicate(), data.duplicate());
        } catch (CisternException invalid) {
            return CompletableFuture.failedFuture(invalid);
        }
        if (data.remaining() == 0) {
            return CompletableFuture.completedFuture(0L);
        }
        return submit(new Requests.Atomic(this, write, guard, nanoTime()));
    }

    // ---- the shared record

    @Override
    public CompletableFuture<SharedRecord> record() {
        return records.ask();
    }

    @Override
    public SharedRecord knownRecord() {
        return records.known();
    }

    @Override
    public CompletableFuture<SharedRecord> replaceRecord(long expectedVersion, ByteBuffer bytes) {
        return records.replace(expectedVersion, bytes);
    }

    CompletableFuture<Long> submit(Requests.Valued request) {
        admission.submit(request);
        return request.result();
    }

    @Override
    public AutoCloseable onRecord(Consumer<SharedRecord> listener) {
        return records.listen(listener);
    }

    @Override
    public CompletableFuture<Void> zero(long offset, long length, boolean unmap) {
        return zero(offset, length, unmap, NO_GUARD);
    }

    @Override
    public CompletableFuture<Void> zero(long offset, long length, boolean unmap, long guard) {
        CisternException refusal = volume.writeRefusal(offset, length);
        if (refusal != null) {
            return CompletableFuture.failedFuture(refusal);
        }
        return inParts(
                offset,
                length,
                ZERO_PART_BYTES,
                (at, from, part, result) ->
                        new Requests.Zero(this, at, part, unmap, guard, result, nanoTime()));
    }

    @Override
    public CompletableFuture<Void> discard(long offset, long length) {
        return zero(offset, length, true);
    }

    /// Every completed write is durable already.
    @Override
    public CompletableFuture<Void> flush() {
        CisternException over = volume.end();
        return over == null
                ? CompletableFuture.completedFuture(null)
                : CompletableFuture.failedFuture(over);
    }

    @Override
    public CompletableFuture<List<Extent>> extents(long offset, long length, int maxExtents) {
        CisternException refusal = volume.refusal(offset, length);
        if (refusal == null && (length <= 0 || maxExtents <= 0)) {
            refusal = new CisternException(ErrorCode.INVALID, "an empty question about extents");
        }
        if (refusal != null) {
            return CompletableFuture.failedFuture(refusal);
        }
        Requests.Extents request =
                new Requests.Extents(this, offset, length, maxExtents, nanoTime());
        admission.submit(request);
        return request.result();
    }

    @Override
    public AutoCloseable onResize(LongConsumer listener) {
        return volume.onResize(listener);
    }

    @Override
    public CompletableFuture<Void> refresh() {
        return client.control(route, group -> group.describe(opened.volume()))
                .handle((state, failure) -> {
                    if (failure == null) {
                        apply(state);
                        return null;
                    }
                    CisternException reason = CisternException.of(failure);
                    if (reason.code() == ErrorCode.NOT_FOUND) {
                        volume.end(reason);
                    }
                    throw reason;
                });
    }

    @Override
    public void close() {
        if (!volume.close()) {
            return;
        }
        CisternException reason =
                new CisternException(ErrorCode.UNAVAILABLE, name() + " was closed");
        admission.removeQueued().forEach(r -> r.refuse(reason));
        admission.snapshot().forEach(r -> r.abandon(reason));
        client.closed(this, opened, route);
    }

    private CompletableFuture<Void> inParts(
            long offset, long length, long part, Parts.Maker maker) {
        return Parts.submit(admission, new Parts.Cut(offset, length, part), maker);
    }

    // ---- for shares

    /// Sends a share's request on its way.
    CompletableFuture<Reply> submit(Requests.ShareRequest request) {
        CisternException refusal = volume.refusal(0, 0);
        if (refusal != null) {
            return CompletableFuture.failedFuture(refusal);
        }
        admission.submit(request);
        return request.result();
    }

    /// Answers a share's query where this process has a replica that can, from memory; null else.
    ///
    /// @param carried bytes of data asked for
    @Nullable Reply tryQuery(FileQuery query, int carried, @Nullable ByteBuffer into) {
        Member local = route.local();
        if (local == null || volume.refusal(0, 0) != null || !admission.passes(carried)) {
            return null;
        }
        Reply found = local.group().tryQuery(view.request(), query, into);
        if (found != null) {
            view.saw(local.visibleIndex()); // a later read must not go back
            counters.read(carried, 0);
        }
        return found;
    }

    // ---- for requests

    long nanoTime() {
        return client.nanoTime();
    }

    ReadView view() {
        return view;
    }

    GroupRoute route() {
        return route;
    }

    boolean closed() {
        return volume.closed();
    }

    Origin origin(long seq, long guard) {
        return new Origin(opened.attachment(), seq, admission.doneBelow(), guard);
    }

    void learned(Receipt receipt) {
        view.saw(receipt.index());
        if (receipt.version() > volume.version()) {
            poll();
        }
    }

    void finished(Request request, @Nullable CisternException failure) {
        admission.finished(request);
        long nanos = nanoTime() - request.submittedNanos();
        if (failure == null && request.changes()) {
            counters.wrote(request.carriedBytes(), nanos);
        } else if (failure == null) {
            counters.read(request.carriedBytes(), nanos);
        } else if (failure.code() == ErrorCode.FENCED || failure.code() == ErrorCode.NOT_FOUND) {
            volume.end(failure);
        }
    }

    void retried() {
        counters.retried();
    }

    /// Sends a parked request again after a pause: too much is queued somewhere.
    void later(Request request) {
        client.after(LIMIT_PAUSE_MILLIS, request::resume);
    }

    void slow(Member member, long patienceNanos) {
        route.suspect(member, patienceNanos);
    }

    // ---- for the client's timer

    void tick(long nowNanos, long patienceNanos) {
        for (Request request : admission.snapshot()) {
            request.tick(nowNanos, patienceNanos);
        }
    }

    /// Asks for the volume's state unless that is under way.
    void poll() {
        if (opened.snapshot() != null
                || volume.closed()
                || !refreshing.compareAndSet(false, true)) {
            return;
        }
        refresh().whenComplete((done, failure) -> refreshing.set(false));
    }

    private void apply(VolumeState state) {
        if (volume.apply(state) && state.recordVersion() > records.known().version()) {
            var unused = record();
        }
    }
}
