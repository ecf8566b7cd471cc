package io.cistern.volume.system;

import io.cistern.block.ErrorCode;
import io.cistern.storage.Outcome;
import io.cistern.volume.system.SystemCodec.Asked;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Volume;
import org.jspecify.annotations.Nullable;

/// What each command does to the state: pure functions.
public final class SystemRules {
    private SystemRules() {}

    /// @param state the state after, the one before where `outcome` is an error
    public record Step(SystemState state, Outcome outcome) {
        static Step done(SystemState state) {
            return new Step(state, Outcome.DONE);
        }

        static Step of(SystemState state, long value) {
            return new Step(state, Outcome.of(value));
        }
    }

    /// For a command that does not say what it is based on.
    public static final long UNSEEN = -1;

    public static Step apply(SystemState state, SystemCommand command) {
        return apply(state, new Asked(command, UNSEEN));
    }

    /// Applies a command, or answers with its first outcome where its request was seen before.
    /// Never throws for a decoded command.
    ///
    /// One that is based on a state before everything that is remembered may have been applied and
    /// forgotten, and is refused: each command that is remembered makes the next version.
    public static Step apply(SystemState state, Asked asked) {
        SystemCommand command = asked.command();
        if (command.request() == null) {
            return new Step(
                    state, Outcome.refused(ErrorCode.INVALID, "a change without a request"));
        }
        Outcome seen = state.recent().get(command.request());
        if (seen != null) {
            return new Step(state, seen);
        }
        if (asked.since() != UNSEEN && asked.since() < state.version() - state.recent().size()) {
            return new Step(
                    state,
                    Outcome.refused(
                            ErrorCode.CHANGED,
                            "the cluster has changed so often since this was asked that it may have"
                                    + " been done before: look and ask again"));
        }
        Step step;
        try {
            step = change(state, command);
        } catch (Refused refused) {
            step = new Step(state, refused.outcome);
        } catch (RuntimeException malformed) {
            // Every replica comes to the same, and none stops for good because of it: a rule looks
            // at nothing but the state and the command.
            step =
                    new Step(
                            state,
                            Outcome.refused(
                                    ErrorCode.INVALID,
                                    command.getClass().getSimpleName() + " is malformed"));
        }
        return new Step(step.state.remember(command.request(), step.outcome), step.outcome);
    }

    private static Step change(SystemState s, SystemCommand command) {
        return switch (command) {
            case SystemCommand.Form c -> NodeRules.form(s, c);
            case SystemCommand.AnnounceNode c -> NodeRules.announce(s, c);
            case SystemCommand.AddToken c -> NodeRules.addToken(s, c);
            case SystemCommand.JoinNode c -> NodeRules.join(s, c);
            case SystemCommand.DrainNode c -> NodeRules.drain(s, c);
            case SystemCommand.RemoveNode c -> NodeRules.remove(s, c);
            case SystemCommand.AddDisk c -> NodeRules.addDisk(s, c);
            case SystemCommand.DrainDisk c -> NodeRules.drainDisk(s, c);
            case SystemCommand.RemoveDisk c -> NodeRules.removeDisk(s, c);
            case SystemCommand.CreateGroup c -> GroupRules.create(s, c);
            case SystemCommand.GroupReady c -> GroupRules.ready(s, c);
            case SystemCommand.AddReplica c -> GroupRules.addReplica(s, c);
            case SystemCommand.PromoteReplica c -> GroupRules.promote(s, c);
            case SystemCommand.RetireReplica c -> GroupRules.retire(s, c);
            case SystemCommand.RemoveReplica c -> GroupRules.removeReplica(s, c);
            case SystemCommand.CreateVolume c -> createVolume(s, c);
            case SystemCommand.VolumeReady c -> ready(s, c);
            case SystemCommand.RenameVolume c -> rename(s, c);
            case SystemCommand.DeleteVolume c -> delete(s, c);
            case SystemCommand.KeepVolume c -> keep(s, c);
            case SystemCommand.RemoveVolume c -> removeVolume(s, c);
            case SystemCommand.NumberNode c -> ExportRules.number(s, c);
            case SystemCommand.ExportVolume c -> ExportRules.export(s, c);
            case SystemCommand.UnexportVolume c -> ExportRules.unexport(s, c);
            case SystemCommand.GiveUp c -> NodeRules.giveUp(s, c);
            case SystemCommand.SetPolicy c -> NodeRules.setPolicy(s, c);
            case SystemCommand.RaiseLevel c -> NodeRules.raise(s, c);
        };
    }

    private static Step createVolume(SystemState s, SystemCommand.CreateVolume c) {
        if (s.volumeNamed(c.name()) != null) {
            throw new Refused(
                    ErrorCode.ALREADY_EXISTS,
                    "a volume '" + c.name() + "' exists already; choose another name");
        }
        if (!s.groups().containsKey(c.group()) || c.group() == 0) {
            throw new Refused(ErrorCode.NOT_FOUND, "there is no data group g" + c.group());
        }
        if (s.volumes().size() >= SystemState.MAX_VOLUMES) {
            throw new Refused(
                    ErrorCode.LIMIT,
                    "the cluster holds " + SystemState.MAX_VOLUMES + " volumes, its most");
        }
        SystemState.Source source = c.source();
        if (source != null) {
            Volume parent = s.volumes().get(source.volume());
            if (parent == null || parent.phase() != Phase.READY || parent.group() != c.group()) {
                throw new Refused(
                        ErrorCode.NOT_FOUND, "there is no volume '" + source.volumeName() + "'");
            }
        }
        Volume volume =
                new Volume(
                        s.nextVolume(),
                        c.name(),
                        Phase.CREATING,
                        java.util.List.of(c.group()),
                        c.sizeBytes(),
                        c.limits(),
                        source,
                        c.timeMillis());
        return Step.of(s.withVolume(volume), volume.id());
    }

    private static Step ready(SystemState s, SystemCommand.VolumeReady c) {
        Volume volume = volume(s, c.volume());
        if (volume.phase() == Phase.DELETING) {
            throw new Refused(
                    ErrorCode.NOT_FOUND, "volume '" + volume.name() + "' is being deleted");
        }
        return Step.done(s.withVolume(volume.withPhase(Phase.READY)));
    }

    private static Step rename(SystemState s, SystemCommand.RenameVolume c) {
        Volume volume = volume(s, c.volume());
        if (volume.phase() != Phase.READY) {
            throw new Refused(ErrorCode.NOT_FOUND, "volume '" + volume.name() + "' is not ready");
        }
        Volume other = s.volumeNamed(c.newName());
        if (other != null && other.id() != volume.id()) {
            throw new Refused(
                    ErrorCode.ALREADY_EXISTS,
                    "a volume '" + c.newName() + "' exists already; choose another name");
        }
        if (s.targets().exports().containsKey(volume.id())) {
            ExportRules.checkName(c.newName());
        }
        return Step.done(s.withVolume(volume.withName(c.newName())));
    }

    private static Step delete(SystemState s, SystemCommand.DeleteVolume c) {
        Volume volume = volume(s, c.volume());
        if (s.targets().exports().containsKey(volume.id())) {
            throw new Refused(
                    ErrorCode.BUSY,
                    "volume '"
                            + volume.name()
                            + "' is exported over iSCSI; run 'cistern iscsi unexport "
                            + volume.name()
                            + "' first");
        }
        if (s.level() >= Level.LATE_REQUESTS && hasClones(s, volume)) {
            throw new Refused(
                    ErrorCode.BUSY,
                    "volume '"
                            + volume.name()
                            + "' shares its blocks with clones; delete these first");
        }
        return Step.done(s.withVolume(volume.withPhase(Phase.DELETING)));
    }

    private static boolean hasClones(SystemState s, Volume volume) {
        return s.volumes().values().stream()
                .anyMatch(v -> v.source() != null && v.source().volume() == volume.id());
    }

    private static Step keep(SystemState s, SystemCommand.KeepVolume c) {
        Volume volume = volume(s, c.volume());
        if (volume.phase() == Phase.CREATING) {
            throw new Refused(ErrorCode.BUSY, "volume '" + volume.name() + "' is being created");
        }
        return Step.done(s.withVolume(volume.withPhase(Phase.READY)));
    }

    private static Step removeVolume(SystemState s, SystemCommand.RemoveVolume c) {
        Volume volume = s.volumes().get(c.volume());
        if (volume == null) {
            return Step.done(s);
        }
        if (volume.phase() != Phase.DELETING) {
            throw new Refused(
                    ErrorCode.BUSY, "volume '" + volume.name() + "' is not being deleted");
        }
        return Step.done(s.withoutVolume(c.volume()));
    }

    static Volume volume(SystemState s, long id) {
        @Nullable Volume volume = s.volumes().get(id);
        if (volume == null) {
            throw new Refused(ErrorCode.NOT_FOUND, "there is no volume with id " + id);
        }
        return volume;
    }

    /// Ends a rule without effect.
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;

        private final transient Outcome outcome;

        Refused(ErrorCode code, String message) {
            super(message, null, false, false);
            this.outcome = Outcome.refused(code, message);
        }
    }
}
