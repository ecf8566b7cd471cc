package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Collects a group's proposals into log entries.
///
/// One thread drains what has queued, as it has queued, into an entry and submits it; it never
/// waits for more to come, so that a lone proposal is not delayed. While [#MAX_IN_FLIGHT] entries
/// are on their way the queue grows, and with it the next entry: the batch size follows the load.
/// What already fills an entry has nothing to gain from waiting, so of full entries up to
/// [#MAX_FULL_IN_FLIGHT] travel at a time. Entries are submitted in the order of the proposals.
///
/// Proposals are completed by the apply thread, and failed on `failures`: a thread that holds
/// neither the caller's nor Ratis' locks.
final class Batcher implements AutoCloseable {
    /// Entries submitted and not yet applied. Two keep the log busy while the batch after them
    /// gathers.
    static final int MAX_IN_FLIGHT = 2;

    /// Likewise, if the next one is full.
    static final int MAX_FULL_IN_FLIGHT = 8;

    /// Most proposals that may wait.
    static final int MAX_QUEUED = 8192;

    /// Most bytes that may wait.
    static final long MAX_QUEUED_BYTES = 64L << 20;

    /// Hands an entry to Ratis. May block. Returns what Ratis replies; the reply matters only if it
    /// is a failure.
    interface Submitter {
        CompletableFuture<@Nullable Throwable> submit(long callId, byte[] entry);
    }

    private final Submitter submitter;
    private final LongSupplier nanoTime;
    private final Executor failures;
    private final Thread thread;
    private final AtomicLong nextCallId = new AtomicLong();
    private final ConcurrentHashMap<Long, Batch> inFlight = new ConcurrentHashMap<>();

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition wake = lock.newCondition();
    private final ArrayDeque<Batch.Proposal> queue = new ArrayDeque<>();
    private long queuedBytes;
    private int submitted;
    private boolean closed;
    private @Nullable CompletableFuture<RaftGroup.Applied> queuedMarker;

    Batcher(String name, Submitter submitter, LongSupplier nanoTime, Executor failures) {
        this.submitter = submitter;
        this.nanoTime = nanoTime;
        this.failures = failures;
        this.thread = Thread.ofPlatform().name(name + "-batch").daemon().unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    CompletableFuture<RaftGroup.Applied> propose(RaftCommand command) {
        int bytes = command.bytes();
        if (bytes > RaftGroup.MAX_COMMAND_BYTES) {
            return CompletableFuture.failedFuture(
                    new CisternException(
                            ErrorCode.LIMIT,
                            "a command of "
                                    + bytes
                                    + " bytes; at most "
                                    + RaftGroup.MAX_COMMAND_BYTES
                                    + " are allowed"));
        }
        CompletableFuture<RaftGroup.Applied> done = new CompletableFuture<>();
        lock.lock();
        try {
            if (closed) {
                return CompletableFuture.failedFuture(closedFailure());
            }
            if (queue.size() >= MAX_QUEUED || queuedBytes + bytes > MAX_QUEUED_BYTES) {
                return CompletableFuture.failedFuture(
                        new CisternException(
                                ErrorCode.LIMIT,
                                "too much is waiting for the log: "
                                        + queue.size()
                                        + " commands of "
                                        + queuedBytes
                                        + " bytes; send less at a time"));
            }
            queue.add(new Batch.Proposal(command, done));
            queuedBytes += bytes;
            wake.signal();
        } finally {
            lock.unlock();
        }
        return done;
    }

    /// Completes when an entry that was proposed after this call is applied. Makes an empty one if
    /// nothing else is waiting. Calls before it is proposed share it.
    CompletableFuture<RaftGroup.Applied> touch() {
        lock.lock();
        try {
            if (closed) {
                return CompletableFuture.failedFuture(closedFailure());
            }
            CompletableFuture<RaftGroup.Applied> marker = queuedMarker;
            if (marker == null) {
                marker = new CompletableFuture<>();
                queue.add(new Batch.Proposal(null, marker));
                queuedMarker = marker;
                wake.signal();
            }
            return marker;
        } finally {
            lock.unlock();
        }
    }

    /// The batch about to be appended to the log, or null if it is not one of this process.
    @Nullable Batch inFlight(long callId) {
        return inFlight.get(callId);
    }

    /// Takes a batch that is being applied off the books; null if it has already failed, or is not
    /// ours. The caller completes it.
    @Nullable Batch take(long callId) {
        Batch batch = inFlight.remove(callId);
        if (batch != null) {
            release();
        }
        return batch;
    }

    /// Fails all that waits and all that is on its way: this replica no longer leads.
    void failAll(CisternException queued, CisternException onTheirWay) {
        List<Batch.Proposal> waiting;
        lock.lock();
        try {
            waiting = List.copyOf(queue);
            queue.clear();
            queuedBytes = 0;
            queuedMarker = null;
        } finally {
            lock.unlock();
        }
        List<Batch> lost = new ArrayList<>();
        for (Long callId : inFlight.keySet()) {
            Batch batch = take(callId);
            if (batch != null) {
                lost.add(batch);
            }
        }
        if (waiting.isEmpty() && lost.isEmpty()) {
            return;
        }
        failures.execute(() -> {
            lost.forEach(batch -> batch.fail(onTheirWay));
            waiting.forEach(proposal -> proposal.done().completeExceptionally(queued));
        });
    }

    /// Fails everything and ends the thread.
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            wake.signal();
        } finally {
            lock.unlock();
        }
        failAll(closedFailure(), closedFailure());
    }

    private static CisternException closedFailure() {
        return new CisternException(
                ErrorCode.UNAVAILABLE, "the group is closed on this node; ask another");
    }

    private void release() {
        lock.lock();
        try {
            submitted--;
            wake.signal();
        } finally {
            lock.unlock();
        }
    }

    private void run() {
        for (Batch batch = next(); batch != null; batch = next()) {
            submit(batch);
        }
    }

    private void submit(Batch batch) {
        CompletableFuture<@Nullable Throwable> reply;
        try {
            byte[] entry = batch.encode();
            if (entry == null) {
                return;
            }
            reply = submitter.submit(batch.callId, entry);
        } catch (RuntimeException e) {
            reply = CompletableFuture.completedFuture(e);
        }
        reply.whenComplete((failure, thrown) -> {
            Throwable cause = thrown != null ? thrown : failure;
            if (cause != null) {
                refused(batch, cause);
            }
        });
    }

    private void refused(Batch batch, Throwable cause) {
        if (take(batch.callId) == null) {
            return;
        }
        CisternException failure =
                batch.maybeLogged()
                        ? new CisternException(
                                ErrorCode.UNAVAILABLE,
                                "the leader changed while the command was on its way; it may or may"
                                        + " not take effect",
                                cause)
                        : new CisternException(
                                ErrorCode.NOT_LEADER,
                                "this replica does not lead: " + cause.getMessage(),
                                cause);
        failures.execute(() -> batch.fail(failure));
    }

    /// Waits for proposals and for room, and makes a batch of what is there; null once closed.
    private @Nullable Batch next() {
        lock.lock();
        try {
            while (!closed && (queue.isEmpty() || submitted >= allowedInFlight())) {
                wake.awaitUninterruptibly();
            }
            if (closed) {
                return null;
            }
            List<Batch.Proposal> proposals = drain();
            Batch batch = new Batch(nextCallId.incrementAndGet(), proposals, nanoTime.getAsLong());
            submitted++;
            inFlight.put(batch.callId, batch);
            return batch;
        } finally {
            lock.unlock();
        }
    }

    private int allowedInFlight() {
        boolean full = queuedBytes >= RaftEntry.MAX_BYTES || queue.size() >= RaftEntry.MAX_COMMANDS;
        return full ? MAX_FULL_IN_FLIGHT : MAX_IN_FLIGHT;
    }

    private List<Batch.Proposal> drain() {
        List<Batch.Proposal> proposals = new ArrayList<>();
        long bytes = 0;
        while (!queue.isEmpty() && proposals.size() < RaftEntry.MAX_COMMANDS) {
            Batch.Proposal head = queue.peek();
            if (!proposals.isEmpty() && bytes + head.bytes() > RaftEntry.MAX_BYTES) {
                break;
            }
            bytes += head.bytes();
            proposals.add(queue.remove());
            if (head.command() == null) {
                queuedMarker = null;
            }
        }
        queuedBytes -= bytes;
        return proposals;
    }
}
