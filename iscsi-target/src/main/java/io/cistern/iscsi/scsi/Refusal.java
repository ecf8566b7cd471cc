package io.cistern.iscsi.scsi;

import org.jspecify.annotations.Nullable;

/// Ends a command with another status than GOOD. Has no stack trace: it is an answer, not a fault.
final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int status;
    private final transient @Nullable Sense sense;

    private Refusal(int status, @Nullable Sense sense) {
        super(sense == null ? "status " + status : sense.toString(), null, false, false);
        this.status = status;
        this.sense = sense;
    }

    static Refusal of(Sense sense) {
        return new Refusal(ScsiResult.CHECK_CONDITION, sense);
    }

    static Refusal of(Condition condition) {
        return of(Sense.of(condition));
    }

    static Refusal cdb(int offset, int bit) {
        return of(Sense.cdb(offset, bit));
    }

    static Refusal parameter(int offset, int bit) {
        return of(Sense.parameter(offset, bit));
    }

    static Refusal conflict() {
        return new Refusal(ScsiResult.RESERVATION_CONFLICT, null);
    }

    static Refusal busy() {
        return new Refusal(ScsiResult.BUSY, null);
    }

    @Nullable Sense sense() {
        return sense;
    }

    ScsiResult result(boolean descriptorSense) {
        return sense == null
                ? ScsiResult.status(status)
                : ScsiResult.checkCondition(sense.encode(descriptorSense));
    }
}
