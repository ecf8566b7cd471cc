package io.cistern.storage.group;

import java.util.List;

/// What users have asked of one volume at one replica, since that opened.
///
/// @param volume its id
/// @param operations one of each [Operation] that was asked for
public record VolumeIo(long volume, List<Count> operations) {
    public enum Operation {
        READ,
        WRITE,
        /// Zeroes and discards.
        ZERO
    }

    /// Upper bounds of the classes of latency, in nanoseconds; one more class has the rest.
    static final long[] BOUNDS_NANOS = {
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        1_000_000_000,
        5_000_000_000L
    };

    /// The same bounds, in seconds.
    public static List<Double> boundsSeconds() {
        return java.util.Arrays.stream(BOUNDS_NANOS).mapToObj(n -> n / 1e9).toList();
    }

    /// @param requests that succeeded
    /// @param bytes of them
    /// @param failed requests that asking again does not help
    /// @param seconds all that succeeded took together
    /// @param classes how many took at most so long, and not so long as the class before
    public record Count(
            Operation operation,
            long requests,
            long bytes,
            long failed,
            double seconds,
            List<Long> classes) {}
}
