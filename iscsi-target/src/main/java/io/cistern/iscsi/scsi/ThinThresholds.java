package io.cistern.iscsi.scsi;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;

/// Threshold notifications of a thin logical unit (SBC-3 4.7.3.7): tells this node's nexuses when
/// the pool comes close to full or the volume has mapped as much as was agreed. Any thread.
final class ThinThresholds {
    /// A threshold set has 2^11 logical blocks: 1 MiB of 512 bytes, 8 MiB of 4096.
    static final int EXPONENT = 11;

    private static final Duration PAUSE = Duration.ofSeconds(1);

    private final LogicalUnit unit;
    private final ThinSpace space;
    private final InstantSource clock;
    private Instant nextLook = Instant.MIN;
    private boolean availableReached;
    private boolean usedReached;

    ThinThresholds(LogicalUnit unit, ThinSpace space, InstantSource clock) {
        this.unit = unit;
        this.space = space;
        this.clock = clock;
    }

    /// Threshold sets that the pool could still map for the volume.
    long availableSets() {
        return sets(Math.max(0, space.availableBytes()));
    }

    /// Threshold sets mapped.
    long usedSets() {
        long bytes = Math.max(0, space.usedBytes());
        long setBytes = setBytes();
        return Math.min(0xffffffffL, bytes / setBytes + (bytes % setBytes == 0 ? 0 : 1));
    }

    /// Looks whether a threshold was crossed, at most once a second; after a write.
    void look() {
        ModeSettings mode = unit.shared().view().state().mode();
        if (mode.availableThreshold() == 0 && mode.usedThreshold() == 0) {
            return;
        }
        boolean tell;
        synchronized (this) {
            Instant now = clock.instant();
            if (now.isBefore(nextLook)) {
                return;
            }
            nextLook = now.plus(PAUSE);
            boolean low =
                    mode.availableThreshold() > 0 && availableSets() <= mode.availableThreshold();
            boolean high = mode.usedThreshold() > 0 && usedSets() >= mode.usedThreshold();
            tell = mode.thresholdEvents() && (low && !availableReached || high && !usedReached);
            availableReached = low;
            usedReached = high;
        }
        if (tell) {
            unit.attentionForAll(Condition.SOFT_THRESHOLD_REACHED);
        }
    }

    private long sets(long bytes) {
        return Math.min(0xffffffffL, bytes / setBytes());
    }

    private long setBytes() {
        return (long) unit.blockBytes() << EXPONENT;
    }
}
