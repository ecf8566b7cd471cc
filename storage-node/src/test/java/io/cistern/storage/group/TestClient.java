package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.GuardedDevice;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Origin;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/// A user of one volume, who sends a request to one node after the other, under the same number,
/// until it is answered. Safe for several threads.
final class TestClient implements AutoCloseable {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);

    private final TestCluster cluster;
    private final List<RemoteVolumeGroup> members = new ArrayList<>();
    private final long volume;
    private final TreeSet<Long> open = new TreeSet<>();
    private long lastSeq;
    private volatile int leader;
    volatile long attachment;
    final AtomicLong maxIndex = new AtomicLong(-1);
    final AtomicLong tries = new AtomicLong();

    TestClient(TestCluster cluster, long volume) {
        this.cluster = cluster;
        this.volume = volume;
        cluster.nodes.forEach(node -> members.add(cluster.remote(node)));
    }

    TestClient create(long sizeBytes) {
        execute(new Command.CreateVolume(volume, sizeBytes, Limits.NONE, 1));
        return this;
    }

    TestClient attach(AttachMode mode) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        Command.Attach attach =
                new Command.Attach(volume, mode, random.nextLong(), random.nextLong(), "test", 1);
        attachment = execute(attach).value();
        return this;
    }

    Receipt execute(Command command) {
        return retry(group -> group.execute(command));
    }

    Receipt write(long offset, byte[] data) {
        Origin origin = begin();
        try {
            return retry(group -> group.write(volume, origin, offset, ByteBuffer.wrap(data)));
        } finally {
            end(origin);
        }
    }

    Receipt zero(long offset, long length, boolean unmap) {
        Origin origin = begin();
        try {
            return retry(group -> group.zero(volume, origin, offset, length, unmap));
        } finally {
            end(origin);
        }
    }

    Receipt write(long offset, byte[] data, long guard) {
        Origin origin = begin().guardedBy(guard);
        try {
            return retry(group -> group.write(volume, origin, offset, ByteBuffer.wrap(data)));
        } finally {
            end(origin);
        }
    }

    Receipt atomic(AtomicWrite write, long guard) {
        Origin origin = begin().guardedBy(guard);
        try {
            return retry(group -> group.writeAtomic(volume, origin, write));
        } finally {
            end(origin);
        }
    }

    /// @return true where the range held `expected` and was written
    boolean compareAndWrite(long offset, byte[] expected, byte[] data) {
        AtomicWrite write =
                new AtomicWrite(
                        AtomicWrite.Kind.COMPARE,
                        offset,
                        ByteBuffer.wrap(expected),
                        ByteBuffer.wrap(data));
        return atomic(write, GuardedDevice.NO_GUARD).value() == 0;
    }

    long replaceRecord(long version, String text) {
        Origin origin = begin().guardedBy(version);
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
        try {
            return retry(g -> g.execute(new Command.ReplaceRecord(volume, origin, bytes))).value();
        } finally {
            end(origin);
        }
    }

    synchronized Origin begin() {
        long seq = ++lastSeq;
        open.add(seq);
        return new Origin(attachment, seq, open.first());
    }

    synchronized void end(Origin origin) {
        open.remove(origin.seq());
    }

    /// Reads under the leader's lease.
    byte[] read(long offset, int length) {
        return read(
                new ReadRequest(volume, null, attachment, ReadRequest.LEADER_LEASE),
                offset,
                length);
    }

    byte[] read(ReadRequest request, long offset, int length) {
        ByteBuffer[] data = new ByteBuffer[1];
        retry(group -> {
            // A new one each time: an attempt that was given up may still be writing.
            data[0] = ByteBuffer.allocate(length);
            return group.read(request, offset, data[0]);
        });
        return data[0].array();
    }

    <T> T retry(Function<VolumeGroup, CompletableFuture<T>> call) {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (true) {
            int member = leader;
            tries.incrementAndGet();
            try {
                T answer = call.apply(members.get(member)).get();
                if (answer instanceof Receipt receipt) {
                    maxIndex.accumulateAndGet(receipt.index(), Math::max);
                }
                return answer;
            } catch (ExecutionException e) {
                CisternException failure = CisternException.of(e);
                if (!failure.code().retryable() || System.nanoTime() > deadline) {
                    throw failure;
                }
                leader = (member + 1) % members.size();
                java.util.concurrent.locks.LockSupport.parkNanos(10_000_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
        }
    }

    RemoteVolumeGroup at(TestCluster.Node node) {
        return members.get(cluster.nodes.indexOf(node));
    }

    @Override
    public void close() {
        members.forEach(RemoteVolumeGroup::close);
    }
}
