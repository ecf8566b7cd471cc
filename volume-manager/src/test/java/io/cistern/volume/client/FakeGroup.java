package io.cistern.volume.client;

import io.cistern.block.BlockDevice.Extent;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice.SharedRecord;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.Reply;
import io.cistern.raft.GroupId;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Origin;
import io.cistern.storage.VolumeState;
import io.cistern.storage.VolumeState.Attachment;
import io.cistern.storage.group.AtomicWrite;
import io.cistern.storage.group.VolumeGroup;
import io.cistern.volume.system.Level;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A group in memory with faults: members that refuse, freeze, or lose their answer after the
/// effect. One shared state stands for what a majority has.
final class FakeGroup implements ClusterMap, AutoCloseable {
    static final long VOLUME = 7;

    final List<Server> servers = new ArrayList<>();
    private final ExecutorService pool = Executors.newFixedThreadPool(3);

    // Guarded by this.
    private byte[] data;
    private long index = 10;
    private long version = 1;
    private Limits limits = Limits.NONE;
    private SharedRecord record = SharedRecord.EMPTY;
    private final List<Attachment> attachments = new ArrayList<>();
    private final Map<Long, Map<Long, VolumeGroup.Receipt>> results = new HashMap<>();
    private final Map<Long, Long> doneBelow = new HashMap<>();
    private final Set<String> applied = new HashSet<>();
    final Set<String> appliedTwice = new HashSet<>();
    long widestSpan;

    volatile int leader;

    /// One in so many calls is lost, before or after its effect; 0: none.
    volatile int lossOneIn;

    FakeGroup(int members, int bytes) {
        data = new byte[bytes];
        for (int i = 0; i < members; i++) {
            servers.add(new Server(i));
        }
    }

    @Override
    public Location locate(String volume) {
        return new Location(VOLUME, 1);
    }

    @Override
    public int level() {
        return Level.NEWEST;
    }

    @Override
    public List<Member> members(long group) {
        return List.copyOf(servers);
    }

    synchronized void resize(int bytes) {
        data = Arrays.copyOf(data, bytes);
        version++;
        index++;
    }

    synchronized void limit(Limits changed) {
        limits = changed;
        version++;
        index++;
    }

    synchronized byte byteAt(int at) {
        return data[at];
    }

    synchronized byte[] contents() {
        return data.clone();
    }

    @Override
    public void close() {
        pool.shutdownNow();
    }

    private synchronized VolumeGroup.Receipt change(Origin origin, Runnable effect) {
        return change(
                origin,
                () -> {
                    effect.run();
                    return 0;
                });
    }

    private synchronized VolumeGroup.Receipt change(Origin origin, LongSupplier effect) {
        if (attachments.stream().noneMatch(a -> a.id() == origin.attachment())) {
            throw new CisternException(ErrorCode.FENCED, "fenced");
        }
        Map<Long, VolumeGroup.Receipt> seen =
                results.computeIfAbsent(origin.attachment(), a -> new HashMap<>());
        long below = doneBelow.merge(origin.attachment(), origin.doneBelow(), Math::max);
        seen.keySet().removeIf(seq -> seq < below);
        if (origin.seq() < below) {
            return new VolumeGroup.Receipt(index, version, 0);
        }
        widestSpan = Math.max(widestSpan, origin.seq() - origin.doneBelow());
        VolumeGroup.Receipt known = seen.get(origin.seq());
        if (known != null) {
            return known;
        }
        if (!applied.add(origin.attachment() + "/" + origin.seq())) {
            appliedTwice.add(origin.attachment() + "/" + origin.seq());
        }
        if (origin.guarded() && origin.guard() != record.version()) {
            throw new CisternException(ErrorCode.CHANGED, "changed");
        }
        long value = effect.getAsLong();
        VolumeGroup.Receipt receipt = new VolumeGroup.Receipt(++index, version, value);
        seen.put(origin.seq(), receipt);
        return receipt;
    }

    final class Server implements Member, VolumeGroup {
        private final int number;
        volatile boolean frozen;
        volatile boolean local;
        volatile boolean stale;

        /// Entries that this replica has applied and the leader has not.
        volatile int ahead;

        /// What the last read had to show.
        volatile long asked = -1;

        private final Set<CompletableFuture<?>> pending = ConcurrentHashMap.newKeySet();

        Server(int number) {
            this.number = number;
        }

        @Override
        public String peer() {
            return "n" + number + ".1";
        }

        @Override
        public String node() {
            return "n" + number;
        }

        @Override
        public boolean local() {
            return local;
        }

        @Override
        public VolumeGroup group() {
            return this;
        }

        @Override
        public long appliedIndex() {
            synchronized (FakeGroup.this) {
                return local && !stale ? index : -1;
            }
        }

        @Override
        public long visibleIndex() {
            return appliedIndex() + ahead;
        }

        @Override
        public void reset() {
            for (CompletableFuture<?> call : pending) {
                call.completeExceptionally(lost());
            }
        }

        @Override
        public CompletableFuture<FileReceipt> change(
                long volume, Origin origin, ByteBuffer request, ByteBuffer data) {
            return CompletableFuture.failedFuture(
                    new CisternException(ErrorCode.NOT_FOUND, "there are no shares here"));
        }

        @Override
        public @Nullable Reply tryQuery(
                ReadRequest request, FileQuery query, @Nullable ByteBuffer into) {
            return null;
        }

        @Override
        public CompletableFuture<FileReceipt> query(ReadRequest request, ByteBuffer query) {
            return CompletableFuture.failedFuture(
                    new CisternException(ErrorCode.NOT_FOUND, "there are no shares here"));
        }

        /// Goes on; what was asked meanwhile gets no answer but an error.
        void thaw() {
            frozen = false;
            reset();
        }

        private CisternException lost() {
            return new CisternException(ErrorCode.UNAVAILABLE, "connection lost");
        }

        private <T> CompletableFuture<T> call(boolean leaderOnly, Supplier<T> body) {
            CompletableFuture<T> result = new CompletableFuture<>();
            pending.add(result);
            result.whenComplete((v, e) -> pending.remove(result));
            if (frozen) {
                return result;
            }
            boolean lossBefore = lose();
            boolean lossAfter = lose();
            pool.execute(() -> {
                if (lossBefore) {
                    result.completeExceptionally(lost());
                } else if (leaderOnly && leader != number) {
                    result.completeExceptionally(
                            new CisternException(ErrorCode.NOT_LEADER, "not I"));
                } else {
                    serve(result, body, lossAfter);
                }
            });
            return result;
        }

        private <T> void serve(CompletableFuture<T> result, Supplier<T> body, boolean lossAfter) {
            try {
                T value = body.get();
                if (lossAfter) {
                    result.completeExceptionally(lost());
                } else if (!frozen) {
                    result.complete(value);
                }
            } catch (CisternException e) {
                result.completeExceptionally(e);
            }
        }

        private boolean lose() {
            int odds = lossOneIn;
            return odds > 0 && ThreadLocalRandom.current().nextInt(odds) == 0;
        }

        @Override
        public GroupId id() {
            return new GroupId(1);
        }

        @Override
        public CompletableFuture<Receipt> write(
                long volume, Origin origin, long offset, ByteBuffer bytes) {
            return call(
                    true,
                    () -> {
                        byte[] copy = new byte[bytes.remaining()];
                        bytes.get(bytes.position(), copy);
                        return FakeGroup.this.change(
                                origin,
                                () -> System.arraycopy(copy, 0, data, (int) offset, copy.length));
                    });
        }

        @Override
        public CompletableFuture<Receipt> zero(
                long volume, Origin origin, long offset, long length, boolean unmap) {
            int from = (int) offset;
            int to = (int) (offset + length);
            return call(
                    true,
                    () ->
                            FakeGroup.this.change(
                                    origin, () -> Arrays.fill(data, from, to, (byte) 0)));
        }

        @Override
        public CompletableFuture<Receipt> writeAtomic(
                long volume, Origin origin, AtomicWrite write) {
            return call(true, () -> FakeGroup.this.change(origin, () -> apply(write)));
        }

        private long apply(AtomicWrite write) {
            int length = write.data().remaining();
            ByteBuffer range = ByteBuffer.wrap(data).slice((int) write.offset(), length);
            if (write.kind() == AtomicWrite.Kind.COMPARE && !range.equals(write.expected())) {
                return range.mismatch(write.expected()) + 1;
            }
            for (int i = 0; i < length; i++) {
                byte now = write.data().get(write.data().position() + i);
                boolean or = write.kind() == AtomicWrite.Kind.OR;
                range.put(i, or ? (byte) (range.get(i) | now) : now);
            }
            return 0;
        }

        @Override
        public CompletableFuture<SharedRecord> record(long volume) {
            return call(
                    true,
                    () -> {
                        synchronized (FakeGroup.this) {
                            return record;
                        }
                    });
        }

        private long replace(Command.ReplaceRecord command) {
            ByteBuffer copy = ByteBuffer.allocate(command.bytes().remaining());
            copy.put(command.bytes().duplicate()).flip();
            record = new SharedRecord(record.version() + 1, copy);
            version++;
            return record.version();
        }

        @Override
        public CompletableFuture<Receipt> execute(Command command) {
            if (command instanceof Command.ReplaceRecord replace) {
                return call(
                        true,
                        () -> FakeGroup.this.change(replace.origin(), () -> replace(replace)));
            }
            return call(
                    true,
                    () -> {
                        synchronized (FakeGroup.this) {
                            return run(command);
                        }
                    });
        }

        private Receipt run(Command command) {
            index++;
            version++;
            if (command instanceof Command.Attach a) {
                for (Attachment known : attachments) {
                    if (known.nonceHigh() == a.nonceHigh() && known.nonceLow() == a.nonceLow()) {
                        return new Receipt(index, version, known.id());
                    }
                }
                if (a.mode() == AttachMode.EXCLUSIVE) {
                    attachments.removeIf(k -> k.mode() != AttachMode.READ_ONLY);
                }
                attachments.add(
                        new Attachment(
                                index, a.mode(), a.nonceHigh(), a.nonceLow(), a.holder(), 0));
                return new Receipt(index, version, index);
            }
            if (command instanceof Command.Detach d) {
                attachments.removeIf(k -> k.id() == d.attachment());
            }
            return new Receipt(index, version, 0);
        }

        @Override
        public CompletableFuture<Receipt> read(ReadRequest request, long offset, ByteBuffer dst) {
            asked = request.minIndex();
            if (stale) {
                return CompletableFuture.failedFuture(
                        new CisternException(ErrorCode.STALE, "behind"));
            }
            return call(
                    request.minIndex() < 0,
                    () -> {
                        synchronized (FakeGroup.this) {
                            if (request.guard() >= 0 && request.guard() != record.version()) {
                                throw new CisternException(ErrorCode.CHANGED, "changed");
                            }
                            return fill(offset, dst);
                        }
                    });
        }

        private Receipt fill(long offset, ByteBuffer dst) {
            synchronized (FakeGroup.this) {
                dst.put(data, (int) offset, dst.remaining());
                return new Receipt(index, version, 0);
            }
        }

        @Override
        public boolean tryRead(ReadRequest request, long offset, ByteBuffer dst) {
            if (stale || frozen || request.guard() >= 0) {
                return false;
            }
            fill(offset, dst);
            return true;
        }

        @Override
        public CompletableFuture<List<Extent>> extents(
                ReadRequest request, long offset, long length, int maxExtents) {
            return call(false, () -> List.of(new Extent(length, Extent.Kind.DATA)));
        }

        @Override
        public CompletableFuture<VolumeState> describe(long volume) {
            return call(true, () -> state(volume));
        }

        private VolumeState state(long volume) {
            if (volume != VOLUME) {
                throw new CisternException(ErrorCode.NOT_FOUND, "no such volume");
            }
            synchronized (FakeGroup.this) {
                return new VolumeState(
                        VOLUME,
                        data.length,
                        1,
                        1,
                        version,
                        limits,
                        null,
                        List.of(),
                        List.copyOf(attachments),
                        0,
                        record.version());
            }
        }

        @Override
        public CompletableFuture<List<VolumeUsage>> usage() {
            return call(true, List::of);
        }

        @Override
        public CompletableFuture<List<Range>> diff(
                long volume, @Nullable String from, @Nullable String to, long offset, int max) {
            return call(true, List::of);
        }
    }
}
