package io.cistern.raft;

/// Sizes of a replica's log files, in bytes.
///
/// @param segmentBytes a log file is closed at this size; what a checkpoint makes superfluous is
///   deleted in whole files, and the open one is also held in memory
/// @param preallocateBytes the open file grows by this much at a time, filled with zeroes, so that
///   most syncs need not write the file's size
/// @param cacheBytes entries of closed files kept in memory for members that lag
public record RaftLogLimits(long segmentBytes, long preallocateBytes, long cacheBytes) {
    /// Ratis holds the open file's entries and what is cached on the heap, where each collection of
    /// young objects copies them: with files of 16 MiB and 8 MiB cached they outgrew the survivor
    /// spaces, and full collections followed.
    public static final RaftLogLimits DEFAULT = new RaftLogLimits(8L << 20, 4L << 20, 4L << 20);

    public RaftLogLimits {
        if (segmentBytes < 64 << 10 || preallocateBytes < 0 || cacheBytes < 0) {
            throw new IllegalArgumentException(
                    "log sizes " + segmentBytes + ", " + preallocateBytes + ", " + cacheBytes);
        }
    }
}
