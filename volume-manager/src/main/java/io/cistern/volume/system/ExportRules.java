package io.cistern.volume.system;

import io.cistern.block.ErrorCode;
import io.cistern.volume.system.SystemRules.Refused;
import io.cistern.volume.system.SystemRules.Step;
import io.cistern.volume.system.SystemState.Phase;
import io.cistern.volume.system.SystemState.Targets;
import io.cistern.volume.system.SystemState.Volume;

/// Commands about what is exported over iSCSI.
final class ExportRules {
    private ExportRules() {}

    static Step export(SystemState s, SystemCommand.ExportVolume c) {
        Volume volume = SystemRules.volume(s, c.volume());
        if (volume.phase() != Phase.READY) {
            throw new Refused(ErrorCode.NOT_FOUND, "volume '" + volume.name() + "' is not ready");
        }
        checkName(volume.name());
        if (s.targets().exports().containsKey(volume.id())) {
            throw new Refused(
                    ErrorCode.ALREADY_EXISTS,
                    "volume '"
                            + volume.name()
                            + "' is exported already; unexport it first to change how");
        }
        return Step.done(s.withTargets(s.targets().with(volume.id(), c.export())));
    }

    static Step unexport(SystemState s, SystemCommand.UnexportVolume c) {
        return Step.done(s.withTargets(s.targets().without(c.volume())));
    }

    static Step number(SystemState s, SystemCommand.NumberNode c) {
        NodeRules.node(s, c.node());
        Targets targets = s.targets();
        for (String node : s.nodes().keySet()) {
            targets = numbered(targets, node);
        }
        return Step.done(s.withTargets(targets));
    }

    private static Targets numbered(Targets targets, String node) {
        if (!targets.numbers().containsKey(node) && targets.nextNumber() > Targets.MAX_NUMBER) {
            throw new Refused(
                    ErrorCode.LIMIT,
                    "no number is left for node '"
                            + node
                            + "': "
                            + Targets.MAX_NUMBER
                            + " nodes have been part of the cluster");
        }
        return targets.withNumber(node);
    }

    /// RFC 3722 has no underscore in an iSCSI name.
    static void checkName(String volume) {
        if (volume.indexOf('_') >= 0) {
            throw new Refused(
                    ErrorCode.INVALID,
                    "'"
                            + volume
                            + "' cannot be part of an iSCSI name, which has no '_'; rename it with 'cistern volume rename "
                            + volume
                            + " NEW'");
        }
    }
}
