package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// When a copy makes way.
class CopyPaceTest {
    private final CopyPace pace = new CopyPace();
    private final long[] classes = new long[VolumeIo.BOUNDS_NANOS.length + 1];
    private long now = 5;

    private static final int CLASS_OF_100_MS =
            Arrays.binarySearch(VolumeIo.BOUNDS_NANOS, TimeUnit.MILLISECONDS.toNanos(100));

    /// An interval with so many requests of up to `millis` each.
    private void interval(long requests, double millis, boolean copying) {
        int at = 0;
        while (at < VolumeIo.BOUNDS_NANOS.length && VolumeIo.BOUNDS_NANOS[at] < millis * 1e6) {
            at++;
        }
        classes[at] += requests;
        now += CopyPace.INTERVAL_NANOS;
        pace.observe(classes, now, copying);
    }

    private void quiet() {
        pace.observe(classes, now, false);
        interval(1000, 2.5, false);
    }

    @Test
    void aCopyThatDisturbsNobodyIsNotSlowed() {
        quiet();
        for (int i = 0; i < 20; i++) {
            classes[0] += 995; // one in two hundred
            interval(5, 25, true);
            assertThat(pace.restNanos()).isZero();
        }
    }

    @Test
    void twiceTheQuietLatencyIsFoundWithinAClass() {
        quiet(); // the slowest are near 2.5 ms
        classes[0] += 970;
        interval(30, 5, true); // between 2.5 and 5 ms: hardly any took longer than twice that
        assertThat(pace.restNanos()).isZero();
        classes[0] += 970;
        interval(30, 10, true);
        assertThat(pace.restNanos()).isPositive();
    }

    @Test
    void whatUsersHaveWithoutACopyIsRememberedLongerThanAMoment() {
        quiet();
        classes[0] += 900;
        interval(100, 25, false); // a second of it was slow
        for (int i = 0; i < 3; i++) {
            interval(1000, 2.5, false);
        }
        classes[0] += 960;
        interval(40, 25, true);
        assertThat(pace.restNanos()).isZero();
    }

    @Test
    void usersWhoWaitForSomethingElseDoNotHoldACopyUpForEver() {
        quiet();
        int intervals = 0;
        do {
            interval(1000, 100, true);
            intervals++;
        } while (pace.restNanos() < CopyPace.MOST_REST_NANOS);
        assertThat(intervals).isLessThan(10);
        for (int i = 0; i < CopyPace.PATIENCE; i++) {
            assertThat(pace.restNanos()).isEqualTo(CopyPace.MOST_REST_NANOS);
            interval(1000, 100, true);
        }
        for (int i = 0; i < 20; i++) {
            interval(1000, 100, true);
        }
        assertThat(pace.restNanos()).isZero();
        interval(1000, 1000, true); // and now they wait for the copy
        assertThat(pace.restNanos()).isPositive();
    }

    @Test
    void aVolumeThatGoesTakesItsRequestsAlong() {
        quiet();
        interval(5000, 0.1, true);
        Arrays.fill(classes, 0);
        interval(1000, 100, true); // the users of another one wait
        assertThat(pace.restNanos()).isPositive();
        for (int i = 0; i < 20; i++) {
            interval(1000, 2.5, true);
        }
        assertThat(pace.restNanos()).isZero();
    }

    @Test
    void aPauseInWhatUsersWaitForBeginsTheirPatienceAnew() {
        quiet();
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < 20 && pace.restNanos() < CopyPace.MOST_REST_NANOS; i++) {
                interval(1000, 100, true);
            }
            for (int i = 0; i < CopyPace.PATIENCE - 1; i++) {
                interval(1000, 100, true);
            }
            interval(1000, 2.5, true);
            assertThat(pace.restNanos()).isPositive();
        }
        interval(1000, 100, true);
        assertThat(pace.restNanos())
                .as("is not what they have without a copy")
                .isGreaterThan(CopyPace.MOST_REST_NANOS / 2);
    }

    @Test
    void aRestEndsThoughUsersHardlyAskForAnythingAnyMore() {
        quiet();
        for (int i = 0; i < 10; i++) {
            interval(1000, 100, true);
        }
        assertThat(pace.restNanos()).isEqualTo(CopyPace.MOST_REST_NANOS);
        for (int i = 0; i < 100; i++) {
            interval(1, 1, true); // 25 s
        }
        assertThat(pace.restNanos()).isZero();
    }

    @Test
    void aRestEndsWithTheCopyThoughTheLastUsersWereFew() {
        quiet();
        for (int i = 0; i < 5; i++) {
            interval(1000, 100, true);
        }
        interval(5, 1, false);
        for (int i = 0; i < 4; i++) {
            interval(0, 1, false);
        }
        assertThat(pace.restNanos()).isZero();
    }

    @Test
    void whatWasOnceIsForgotten() {
        pace.observe(classes, now, false);
        for (int i = 0; i < 5; i++) {
            interval(1000, 100, false);
        }
        for (int i = 0; i < 100; i++) {
            interval(1000, 2.5, false);
        }
        interval(1000, 25, true);
        assertThat(pace.restNanos()).isPositive();
    }

    @Test
    void theQuietLatencyIsFoundWithinAClass() {
        pace.observe(classes, now, false);
        classes[0] += 985;
        interval(15, 50, false); // the hundredth is near 32 ms
        classes[0] += 970;
        interval(30, 100, true); // two thirds of them took longer than twice that
        assertThat(pace.restNanos()).isPositive();
    }

    @Test
    void theNextCopyBeginsWithoutARest() {
        quiet();
        interval(1000, 100, true);
        assertThat(pace.restNanos()).isPositive();
        interval(1000, 2.5, false);
        assertThat(pace.restNanos()).isZero();
    }

    @Test
    void pagesWithinAnIntervalAreNoMeasureOfTheirOwn() {
        quiet();
        interval(1000, 100, true);
        long rest = pace.restNanos();
        for (int page = 0; page < 10; page++) {
            classes[CLASS_OF_100_MS] += 1000;
            now += CopyPace.INTERVAL_NANOS / 100;
            pace.observe(classes, now, true);
        }
        assertThat(pace.restNanos()).isEqualTo(rest);
    }

    @Test
    void lessThanAMillisecondIsNothing() {
        pace.observe(classes, now, false);
        interval(1000, 0.1, false);
        interval(1000, 1, true);
        assertThat(pace.restNanos()).isZero();
        interval(1000, 10, true);
        assertThat(pace.restNanos()).isPositive();
    }

    @Test
    void beforeAnythingWasMeasuredADiskIsTakenForAQuietOne() {
        pace.observe(classes, now, true);
        interval(1000, 10, true);
        assertThat(pace.restNanos()).isZero();
        interval(1000, 50, true);
        assertThat(pace.restNanos()).isPositive();
    }

    @Test
    void aCopyMakesWayWhileUsersWaitAndComesBackAfterwards() {
        quiet();
        long before = 0;
        for (int i = 0; i < 5; i++) {
            classes[0] += 980; // two in a hundred are slow
            interval(20, 25, true);
            assertThat(pace.restNanos()).isGreaterThan(before);
            before = pace.restNanos();
        }
        for (int i = 0; i < 6; i++) {
            classes[0] += 980;
            interval(20, 100, true);
        }
        assertThat(pace.restNanos()).isEqualTo(CopyPace.MOST_REST_NANOS);
        for (int i = 0; i < 40; i++) {
            interval(1000, 2.5, true);
        }
        assertThat(pace.restNanos()).isZero();
    }

    @Test
    void nobodyIsWaitedFor() {
        quiet();
        interval(1000, 250, true);
        assertThat(pace.restNanos()).isPositive();
        interval(0, 1, true);
        assertThat(pace.restNanos()).isZero();
    }

    @Test
    void aFewRequestsAreNoMeasure() {
        quiet();
        interval(5, 1000, true);
        assertThat(pace.restNanos()).isZero();
        interval(CopyPace.ENOUGH_REQUESTS, 1000, true);
        assertThat(pace.restNanos()).isPositive();
        assertThat(TimeUnit.NANOSECONDS.toMillis(pace.restNanos())).isLessThan(10);
    }
}
