package io.cistern.volume;

import io.cistern.block.Names;
import io.cistern.storage.Command.Limits;

/// What a new volume is to be.
///
/// @param sizeBytes multiple of 512, 512 to [#MAX_BYTES]
/// @param replicas 1, 3 or 5, or 2 where there is a witness; 0 for the cluster's default (3, or 1
///   where there are fewer than three nodes)
public record VolumeSpec(String name, long sizeBytes, int replicas, Limits limits) {
    /// Largest volume. 64 TiB.
    public static final long MAX_BYTES = 64L << 40;

    /// A volume is thin: it may be this many times as large as the smallest disk that holds it.
    /// More is taken for a mistake.
    public static final int OVERCOMMIT = 64;

    public VolumeSpec {
        Names.check("volume name", name);
    }

    public static VolumeSpec of(String name, long sizeBytes) {
        return new VolumeSpec(name, sizeBytes, 0, Limits.NONE);
    }
}
