package io.cistern.chaos.sim;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.chaos.check.Checks.Cut;
import io.cistern.storage.Command;
import io.cistern.storage.Command.CreateSnapshots.Target;
import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Snapshots of both volumes of a [Workload] in one instant.
final class Snapshots {
    private Snapshots() {}

    /// One of them.
    static final class Taken {
        private final String name;
        private final long from;
        private long to;
        private boolean known;
        private boolean gone;
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

        void delete(Workload workload) {
            gone = true;
            for (int volume = 1; volume <= 2; volume++) {
                workload.admin().execute(new Command.DeleteSnapshot(volume, name));
            }
        }

        /// Reads it; twice it must show the same.
        void read(Workload workload) {
            for (int volume = 1; volume <= 2; volume++) {
                int of = volume;
                workload.readNow(volume, name, 0, Workload.VOLUME_BYTES)
                        .thenAccept(bytes -> seen(workload, of, bytes));
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
        workload.admin()
                .execute(
                        new Command.CreateSnapshots(
                                List.of(new Target(1, name), new Target(2, name)), 1))
                .whenComplete((receipt, failure) -> {
                    ErrorCode code = failure == null ? null : CisternException.of(failure).code();
                    if (code == null || code == ErrorCode.ALREADY_EXISTS) {
                        taken.to = sim.now();
                        taken.known = true;
                        sim.after(
                                sim.harness(),
                                sim.between(0, 2_000_000_000),
                                () -> taken.read(workload));
                    } else if (!code.retryable()) {
                        workload.wrong().add("snapshot " + name + ": " + failure);
                    }
                });
    }
}
