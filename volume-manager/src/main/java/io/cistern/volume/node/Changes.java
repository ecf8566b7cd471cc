package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command;
import io.cistern.storage.Command.IfUnchanged;
import io.cistern.storage.Command.IfUnchanged.Seen;
import io.cistern.storage.VolumeState;
import io.cistern.volume.client.ShareNames;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemState.Volume;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// What administrators change in volumes. A request that is sent again, or arrives long after, has
/// one effect: it says how the volumes were when it was made up, see [IfUnchanged].
final class Changes {
    private final Cluster cluster;

    Changes(Cluster cluster) {
        this.cluster = cluster;
    }

    /// Changes volumes of one group in one entry. Where another request changed one of them
    /// meanwhile, looks again.
    ///
    /// @param command what to do with volumes that are so; throws where that cannot be
    /// @param done whether it has been done. Asked where an attempt was not answered and a later
    ///   one refused
    void make(
            List<Volume> volumes,
            Function<List<VolumeState>, Command> command,
            Predicate<List<VolumeState>> done) {
        AtomicInteger attempts = new AtomicInteger();
        long deadline = System.nanoTime() + Cluster.CONTROL.toNanos();
        for (int refusals = 0; ; refusals++) {
            List<VolumeState> now = describe(volumes);
            boolean unsure = attempts.get() > refusals;
            if (unsure && done.test(now)) {
                return;
            }
            try {
                execute(volumes.getFirst(), conditional(now, command.apply(now)), attempts);
                return;
            } catch (CisternException e) {
                boolean late = System.nanoTime() - deadline >= 0;
                if (e.code() == ErrorCode.CHANGED && !late) {
                    continue;
                }
                boolean mine =
                        e.code() == ErrorCode.ALREADY_EXISTS || e.code() == ErrorCode.NOT_FOUND;
                if (!mine || attempts.get() <= refusals + 1 || !done.test(describe(volumes))) {
                    throw e;
                }
                return;
            }
        }
    }

    void make(Volume volume, Function<VolumeState, Command> command, Predicate<VolumeState> done) {
        make(
                List.of(volume),
                now -> command.apply(now.getFirst()),
                now -> done.test(now.getFirst()));
    }

    /// The command for volumes that are still as they were.
    Command conditional(List<VolumeState> seen, Command command) {
        return cluster.catalog().state().level() < Level.LATE_REQUESTS
                ? command
                : new IfUnchanged(
                        seen.stream().map(s -> new Seen(s.volume(), s.version())).toList(),
                        command);
    }

    List<VolumeState> describe(List<Volume> volumes) {
        List<CompletableFuture<VolumeState>> asked =
                volumes.stream().map(this::describing).toList();
        return asked.stream().map(answer -> Waits.get(answer, Cluster.CONTROL)).toList();
    }

    CompletableFuture<VolumeState> describing(Volume volume) {
        return cluster.client().control(volume.group(), g -> g.describe(volume.id()), null);
    }

    /// @param attempts see [io.cistern.volume.client.Client#control]
    /// @throws CisternException with the volume's name where the group knows only its id
    void execute(Volume volume, Command command, @Nullable AtomicInteger attempts) {
        try {
            Waits.get(
                    cluster.client().control(volume.group(), g -> g.execute(command), attempts),
                    Cluster.CONTROL);
        } catch (CisternException e) {
            String id = "volume " + volume.id() + " ";
            String message = Objects.requireNonNullElse(e.getMessage(), "");
            throw message.contains(id)
                    ? new CisternException(
                            e.code(), message.replace(id, ShareNames.shown(volume.name()) + " "), e)
                    : e;
        }
    }
}
