package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Size;
import io.cistern.storage.Command;
import io.cistern.storage.group.OwnershipGate.Mode;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Lets changes into the log of a leader only with the space that they can need however what is
/// logged between their evaluation and their application turns out.
///
/// A change reserves a slot for every granule it touches. Where there is no space for that, it
/// counts the granules that own a slot, and passes the [OwnershipGate], so that nothing ahead of it
/// in the log can end that. Overwrites on a full pool are so never refused, and wait at most for
/// the snapshots and discards that came before them.
final class Admissions {
    private final ReplicaParts parts;
    private final SpaceGuard space;
    private final OwnershipGate gate = new OwnershipGate();

    Admissions(ReplicaParts parts, SpaceGuard space) {
        this.parts = parts;
        this.space = space;
    }

    /// What a change may do to the pool.
    interface Demand {
        /// Whether it may end the ownership of slots.
        boolean disowns();

        /// Bytes of the slots of all granules it writes to.
        long most();

        /// Of these, bytes of slots that are not owned as things are applied now.
        long exact();
    }

    /// What is held until the change is applied, see [#end].
    record Admission(long reserved, @Nullable Mode mode) {}

    /// Calls `go`, at once or later, once the change may be proposed, or `refused` with NO_SPACE.
    void admit(Demand demand, Consumer<Admission> go, Consumer<? super CisternException> refused) {
        long most = demand.most();
        if (reserve(most)) {
            pass(demand.disowns(), most, go);
        } else {
            Mode mode = demand.disowns() ? Mode.ALONE : Mode.RELIES;
            gate.enter(mode, () -> count(demand, mode, go, refused));
        }
    }

    /// Lets through what all the space is reserved for that it can need.
    private void pass(boolean disowns, long reserved, Consumer<Admission> go) {
        if (disowns) {
            gate.enter(Mode.DISOWNS, () -> go.accept(new Admission(reserved, Mode.DISOWNS)));
        } else {
            go.accept(new Admission(reserved, null));
        }
    }

    /// As [#admit], for commands that take no slots.
    void admit(Command command, Consumer<Admission> go) {
        pass(disowns(command), 0, go);
    }

    private static boolean disowns(Command command) {
        return switch (command) {
            case Command.CreateSnapshots c -> true;
            case Command.CloneVolume c -> true;
            case Command.Rollback c -> true;
            case Command.Resize c -> true;
            case Command.DeleteVolume c -> true;
            case Command.FileChange c -> true;
            case Command.IfUnchanged c -> disowns(c.command());
            default -> false;
        };
    }

    private boolean reserve(long bytes) {
        return bytes == 0 || space.reserve(bytes, parts.store().usedBytes());
    }

    private void count(
            Demand demand,
            Mode mode,
            Consumer<Admission> go,
            Consumer<? super CisternException> refused) {
        long exact;
        try {
            exact = demand.exact();
            if (!reserve(exact)) {
                throw noSpace();
            }
        } catch (RuntimeException e) {
            end(new Admission(0, mode));
            refused.accept(CisternException.of(e));
            return;
        }
        go.accept(new Admission(exact, mode));
    }

    private CisternException noSpace() {
        return new CisternException(
                ErrorCode.NO_SPACE,
                "no space for new data in group "
                        + parts.raft().id()
                        + ": "
                        + Size.format(Math.max(0, space.available(parts.store().usedBytes())))
                        + " left above the reserve of "
                        + SpaceGuard.RESERVE_PERCENT
                        + " %; delete snapshots or volumes, or add disks");
    }

    /// Gives back what was admitted: it is applied, or cannot take effect.
    void end(Admission admission) {
        if (admission.reserved > 0) {
            space.release(admission.reserved);
        }
        if (admission.mode != null) {
            gate.leave(parts.node()::work);
        }
    }
}
