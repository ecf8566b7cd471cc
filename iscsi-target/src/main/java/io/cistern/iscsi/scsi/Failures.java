package io.cistern.iscsi.scsi;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.concurrent.CompletionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The one place where a failure becomes a status and sense data.
final class Failures {
    private static final Logger log = LoggerFactory.getLogger(Failures.class);

    private Failures() {}

    static ScsiResult result(LogicalUnit unit, Task task, Throwable failure) {
        return refusal(unit, task, unwrap(failure)).result(unit.descriptorSense());
    }

    private static Refusal refusal(LogicalUnit unit, Task task, Throwable failure) {
        if (failure instanceof Refusal refusal) {
            return refusal;
        }
        CisternException why = CisternException.of(failure);
        return switch (why.code()) {
            case NO_SPACE -> Refusal.of(Condition.SPACE_ALLOCATION_FAILED);
            case READ_ONLY -> Refusal.of(Condition.WRITE_PROTECTED);
            case OUT_OF_RANGE -> Refusal.of(Condition.LBA_OUT_OF_RANGE);
            case CORRUPT -> Refusal.of(Condition.UNRECOVERED_READ_ERROR);
            // A pause, not a loss: the initiator asks again.
            case UNAVAILABLE, NOT_LEADER, STALE, CHANGED, BUSY, LIMIT -> paused(task);
            case FENCED -> {
                log.warn(
                        "Target {} is fenced, its sessions end: {}",
                        unit.config().targetName(),
                        why.getMessage());
                unit.endAll("the volume is fenced: " + why.getMessage());
                yield Refusal.of(Condition.NOT_READY);
            }
            case INVALID, NOT_FOUND, ALREADY_EXISTS, IO, UNAUTHORIZED, INTERNAL -> {
                log.error(
                        "Command {} to target {} failed",
                        task.opcode(),
                        unit.config().targetName(),
                        why);
                yield Refusal.of(Condition.INTERNAL_TARGET_FAILURE);
            }
        };
    }

    /// TEST UNIT READY exists to say that it is not; every other command is to be sent again.
    private static Refusal paused(Task task) {
        return task.command().operationCode() == Opcodes.TEST_UNIT_READY
                ? Refusal.of(Condition.BECOMING_READY)
                : Refusal.busy();
    }

    /// What a failed part of a command is recorded as.
    static Sense sense(Throwable failure) {
        Throwable t = unwrap(failure);
        Sense sense = t instanceof Refusal refusal ? refusal.sense() : null;
        return sense == null ? Sense.of(Condition.THIRD_PARTY_DEVICE_FAILURE) : sense;
    }

    static Throwable unwrap(Throwable failure) {
        Throwable t = failure;
        while (t instanceof CompletionException && t.getCause() != null) {
            t = t.getCause();
        }
        return t;
    }

    /// Whether stored bytes did not match their checksum.
    static boolean isCorrupt(Throwable failure) {
        Throwable t = unwrap(failure);
        return t instanceof CisternException why && why.code() == ErrorCode.CORRUPT;
    }
}
