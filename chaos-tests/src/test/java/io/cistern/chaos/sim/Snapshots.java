package io.cistern.chaos.sim;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.chaos.check.Checks.Cut;
import io.cistern.storage.Command;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.IfUnchanged;
import io.cistern.storage.Command.IfUnchanged.Seen;
import io.cistern.storage.VolumeState;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Snapshots of both volumes of a [Workload] in one instant.
final class Snapshots {
    /// How often an administrator looks again.
    private static final int MOST_REFUSALS = 100;

    private Snapshots() {}

    /// One of them.
    static final class Taken {
        private final String name;
        private final long from;
        private long to;
        private boolean known;
        private boolean gone;
        private int deletedFrom;
        private final @Nullable ByteBuffer[] shown = new ByteBuffer[3];

        Taken(String name, long from) {
            this.name = name;
            this.from = from;
        }

        /// Whether it is known to exist.
        boolean known() {
            return known;
        }

        boolean gone() {
            return gone;
        }

        String name() {
            return name;
        }

        /// Whether it is known to be deleted.
        boolean deleted() {
            return deletedFrom == 2;
        }

        /// @param then once it is known to be deleted
        void delete(Workload workload, Runnable then) {
            gone = true;
            for (int volume = 1; volume <= 2; volume++) {
                int of = volume;
                change(
                                workload,
                                List.of(of),
                                now -> {
                                    boolean there = Snapshots.has(now.getFirst(), name);
                                    return there ? new Command.DeleteSnapshot(of, name) : null;
                                },
                                0)
                        .thenAccept(done -> {
                            deletedFrom++;
                            if (deleted()) {
                                then.run();
                            }
                        });
            }
        }

        /// Reads it; twice it must show the same.
        void read(Workload workload) {
            for (int volume = 1; volume <= 2; volume++) {
                int of = volume;
                workload.readNow(volume, name, 0, Workload.VOLUME_BYTES)
                        .whenComplete((bytes, failure) -> {
                            if (failure == null) {
                                seen(workload, of, bytes);
                            } else if (!gone
                                    && CisternException.of(failure).code() == ErrorCode.NOT_FOUND) {
                                workload.wrong()
                                        .add("snapshot " + name + " of v" + of + " is lost");
                            }
                        });
            }
        }

        private void seen(Workload workload, int volume, ByteBuffer bytes) {
            if (gone) {
                return;
            }
            ByteBuffer before = shown[volume];
            if (before == null) {
                shown[volume] = bytes;
                workload.observed(name, volume, 0, bytes, from, to);
            } else if (!before.equals(bytes)) {
                workload.wrong().add("snapshot " + name + " of v" + volume + " has changed");
            }
        }

        /// Null before both halves were read.
        @Nullable Cut cut() {
            ByteBuffer first = shown[1];
            ByteBuffer second = shown[2];
            return first == null || second == null
                    ? null
                    : new Cut(name, Workload.dependent(first), Workload.dependent(second));
        }
    }

    static void take(Workload workload, String name) {
        Sim sim = workload.sim();
        Taken taken = new Taken(name, sim.now());
        workload.snapshots().add(taken);
        Command command =
                new Command.CreateSnapshots(List.of(new Target(1, name), new Target(2, name)), 1);
        change(
                        workload,
                        List.of(1, 2),
                        now -> Snapshots.has(now.getFirst(), name) ? null : command,
                        0)
                .whenComplete((done, failure) -> {
                    ErrorCode code = failure == null ? null : CisternException.of(failure).code();
                    if (code == null) {
                        taken.to = sim.now();
                        taken.known = true;
                        sim.after(
                                sim.harness(),
                                sim.between(0, 2_000_000_000),
                                () -> taken.read(workload));
                    } else if (!code.retryable() && code != ErrorCode.CHANGED) {
                        workload.wrong().add("snapshot " + name + ": " + failure);
                    }
                });
    }

    static boolean has(VolumeState volume, String name) {
        return volume.snapshots().stream().anyMatch(s -> s.name().equals(name));
    }

    /// As an administrator does: looks, and changes the volumes if they are still so.
    ///
    /// @param command what is still to be done with volumes that are so, null for nothing
    private static CompletableFuture<?> change(
            Workload workload,
            List<Integer> volumes,
            Function<List<VolumeState>, @Nullable Command> command,
            int refusals) {
        List<CompletableFuture<VolumeState>> asked =
                volumes.stream()
                        .map(v -> workload.admin().control(group -> group.describe(v)))
                        .toList();
        return CompletableFuture.allOf(asked.toArray(CompletableFuture[]::new))
                .thenCompose(all -> {
                    List<VolumeState> now = asked.stream().map(CompletableFuture::join).toList();
                    Command wanted = command.apply(now);
                    if (wanted == null) {
                        return CompletableFuture.completedFuture(null);
                    }
                    List<Seen> seen =
                            now.stream().map(s -> new Seen(s.volume(), s.version())).toList();
                    return workload.admin()
                            .execute(new IfUnchanged(seen, wanted))
                            .handle((done, failure) ->
                                    changed(failure) && refusals < MOST_REFUSALS
                                            ? change(workload, volumes, command, refusals + 1)
                                            : failure == null
                                                    ? CompletableFuture.completedFuture(done)
                                                    : CompletableFuture.failedFuture(failure))
                            .thenCompose(next -> next);
                });
    }

    private static boolean changed(@Nullable Throwable failure) {
        return failure != null && CisternException.of(failure).code() == ErrorCode.CHANGED;
    }
}
