package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.engine.Blocks;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.Preparation;
import io.cistern.block.fs.engine.Preparation.Range;
import io.cistern.raft.RaftGroup.Applied;
import io.cistern.storage.Command;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.Origin;
import io.cistern.storage.Outcome;
import io.cistern.storage.Slots;
import io.cistern.storage.group.Admissions.Admission;
import io.cistern.storage.group.Admissions.Demand;
import io.cistern.storage.group.VolumeGroup.FileReceipt;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// One change of a share on the leader, from its arrival until it is applied.
///
/// ```
/// NEW --range held--> [partial blocks read] --> proposed --> DONE
/// ```
///
/// The range is given up when the change has been applied or refused; where its outcome is unknown
/// while this replica still leads, only once something proposed later was applied.
final class ShareChange {
    private static final int REFUSED_WAIT_MS = 2;
    private static final int MAX_REFUSALS = 2_000;

    private final ShareService service;
    private final long volume;
    private final Origin origin;
    private final FileOp op;
    private final ByteBuffer request;
    private final ByteBuffer data;
    private final CompletableFuture<FileReceipt> done = new CompletableFuture<>();
    private final FileLocks.@Nullable Hold hold;
    private long term;

    ShareChange(
            ShareService service,
            long volume,
            Origin origin,
            FileOp op,
            ByteBuffer request,
            ByteBuffer data) {
        this.service = service;
        this.volume = volume;
        this.origin = origin;
        this.op = op;
        this.request = request;
        this.data = data;
        Range range = Preparation.range(op);
        boolean alone = !(op instanceof FileOp.Write) || Preparation.reads(op);
        hold =
                range == null
                        ? null
                        // Whoever gives the range up is the apply thread.
                        : new FileLocks.Hold(
                                volume,
                                range,
                                alone,
                                () -> service.writes().continueLater(this::held));
    }

    CompletableFuture<FileReceipt> begin() {
        if (hold == null || service.locks().acquire(hold)) {
            held();
        }
        return done;
    }

    private void held() {
        try {
            term = service.parts().leadingTerm();
            Preparation preparation = new Preparation(service.parts().store().share(volume));
            if (!Preparation.reads(op)) {
                propose(preparation.blocks(op, data), 0);
                return;
            }
            ReadRequest head = new ReadRequest(volume, null, 0, 0);
            service.reads()
                    .serve(head, () -> prepare(preparation, head))
                    .whenComplete((blocks, failed) -> {
                        if (failed != null) {
                            end(failed);
                        } else {
                            propose(blocks, term);
                        }
                    });
        } catch (RuntimeException e) {
            end(e);
        }
    }

    private List<Blocks> prepare(Preparation preparation, ReadRequest head) {
        List<List<Blocks>> found = new ArrayList<>(1);
        service.reads()
                .onView(
                        head,
                        0,
                        0,
                        view -> {
                            found.clear();
                            found.add(preparation.blocks(op, data));
                        });
        return found.getFirst();
    }

    private void propose(List<Blocks> blocks, long evaluatedTerm) {
        try {
            Command command =
                    new Command.FileChange(volume, origin, evaluatedTerm, request, blocks);
            ByteBuffer entry = ByteBuffer.allocate(CommandCodec.size(command));
            CommandCodec.encode(command, entry);
            entry.flip();
            service.writes()
                    .admissions()
                    .admit(demand(blocks), admitted -> propose(entry, admitted, 0), this::end);
        } catch (RuntimeException e) {
            end(e);
        }
    }

    /// Whatever is no plain write may give slots up, and is taken to.
    private Demand demand(List<Blocks> blocks) {
        return new Demand() {
            @Override
            public boolean disowns() {
                return !(op instanceof FileOp.Write);
            }

            @Override
            public long most() {
                return Slots.mostOf(blocks) * Slots.SLOT_BYTES;
            }

            @Override
            public long exact() {
                return unowned(blocks) * Slots.SLOT_BYTES;
            }
        };
    }

    /// Slots that the file's granules lack.
    private long unowned(List<Blocks> blocks) {
        long unowned = 0;
        for (Blocks b : blocks) {
            Preparation where = new Preparation(service.parts().store().share(volume));
            for (Preparation.Place p : where.places(op, b)) {
                unowned +=
                        p.address() < 0
                                ? Slots.touched(0, p.length())
                                : service.parts()
                                        .store()
                                        .slotsNeeded(volume, p.address(), p.length());
            }
        }
        return unowned;
    }

    private void propose(ByteBuffer entry, Admission admitted, int refusals) {
        service.parts()
                .raft()
                .propose(entry)
                .whenComplete((applied, failed) -> {
                    boolean full =
                            failed != null && CisternException.of(failed).code() == ErrorCode.LIMIT;
                    if (full && refusals < MAX_REFUSALS) {
                        later(entry, admitted, refusals + 1);
                    } else {
                        service.writes().end(admitted, failed);
                        settle(applied, failed);
                    }
                });
    }

    private void later(ByteBuffer entry, Admission admitted, int refusals) {
        try {
            service.parts()
                    .node()
                    .timer()
                    .schedule(
                            () -> propose(entry, admitted, refusals),
                            REFUSED_WAIT_MS,
                            TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException stopping) {
            service.writes().admissions().end(admitted);
            end(stopping);
        }
    }

    private void settle(@Nullable Applied applied, @Nullable Throwable failed) {
        if (applied == null) {
            Throwable why = Objects.requireNonNull(failed);
            FileLocks.Hold held = hold;
            if (CisternException.of(why).code() == ErrorCode.UNAVAILABLE && held != null) {
                service.writes().afterAllInFlight(term, () -> service.locks().release(held));
                done.completeExceptionally(CisternException.of(why));
            } else {
                end(why);
            }
            return;
        }
        FileReceipt receipt;
        try {
            Outcome outcome = VolumeStateMachine.accepted(applied.result());
            receipt = service.receipt(volume, applied.index(), outcome);
        } catch (CisternException refused) {
            end(refused);
            return;
        }
        release();
        done.complete(receipt);
    }

    private void end(Throwable failed) {
        release();
        done.completeExceptionally(CisternException.of(failed));
    }

    private void release() {
        FileLocks.Hold held = hold;
        if (held != null) {
            service.locks().release(held);
        }
    }
}
