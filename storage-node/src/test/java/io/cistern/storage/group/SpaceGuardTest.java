package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.storage.Usage;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SpaceGuardTest {
    private static final long DISK = 10_000;

    private static Usage usage(long used, long index) {
        return new Usage(DISK, DISK - used, used, index);
    }

    @Test
    void keepsTheReserve() {
        SpaceGuard guard = new SpaceGuard();
        guard.update(usage(9_000, 10));
        assertThat(guard.available(9_000)).isEqualTo(500);
        assertThat(guard.reserve(501, 9_000)).isFalse();
        assertThat(guard.reserve(500, 9_000)).isTrue();
        assertThat(guard.reserve(1, 9_000)).isFalse();
        guard.release(500);
        assertThat(guard.reserve(1, 9_000)).isTrue();
    }

    @Test
    void chargesWhatWasTakenSinceTheLastUpdate() {
        SpaceGuard guard = new SpaceGuard();
        guard.update(usage(9_000, 10));
        assertThat(guard.available(9_200)).isEqualTo(300);
    }

    @Test
    void chargesAnOldReportWithWhatTheLeaderTookSince() {
        SpaceGuard guard = new SpaceGuard();
        guard.update(usage(1_000, 10));
        guard.update(usage(3_000, 20));
        guard.report("b", new Usage(DISK, 4_000, 1_000, 12));
        guard.update(usage(3_500, 30));
        // 4,000 free at index 12, less the 2,500 taken since index 10, less 500 of reserve
        assertThat(guard.available(3_500)).isEqualTo(1_000);
    }

    @Test
    void garbageThatOnlyTheLeaderHadIsNoSpaceOfTheOthers() {
        SpaceGuard guard = new SpaceGuard();
        guard.update(usage(3_000, 10));
        guard.report("b", new Usage(DISK, 1_500, 1_000, 10));
        guard.update(usage(1_000, 11));
        // The leader has collected 2,000 and taken 1,200; b had nothing to collect.
        guard.update(usage(2_200, 12));
        assertThat(guard.available(2_200)).isEqualTo(1_500 - 1_200 - 500);
    }

    @Test
    void theSmallestMemberDecidesAndSilentOnesStillCount() {
        SpaceGuard guard = new SpaceGuard();
        guard.report("b", new Usage(2_000, 300, 1_700, 10));
        guard.update(usage(1_700, 10));
        assertThat(guard.available(1_700)).isEqualTo(200);
        guard.update(usage(1_800, 1_000_000));
        assertThat(guard.available(1_800)).isEqualTo(100);
        guard.members(Set.of("a", "c"));
        guard.update(usage(1_800, 1_000_001));
        assertThat(guard.available(1_800)).isEqualTo(DISK - 1_800 - 500);
    }

    @Test
    void knowsNoLimitBeforeTheFirstReport() {
        assertThat(new SpaceGuard().reserve(1L << 40, 0)).isTrue();
    }
}
