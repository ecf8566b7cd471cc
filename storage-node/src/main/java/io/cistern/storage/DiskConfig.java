package io.cistern.storage;

import io.cistern.raft.Halt;
import java.nio.file.Path;
import java.util.UUID;

/// How to open one disk.
///
/// @param directory the directory given to the pool; created by [Disk#format] if it is missing
/// @param cluster the cluster the disk belongs to
/// @param node name of the node that owns it
/// @param capacityBytes most bytes of slots on this disk; 0: as much as the file system has free,
///   less a margin for logs and map
/// @param extentBytes step of preallocation, a multiple of 64 KiB, 1 MiB to 16 GiB
/// @param cacheBytes memory for resolved map rows, all stores of the disk together
/// @param background whether the disk collects garbage and grows by itself; tests switch it off and
///   call [Store#collect] themselves
/// @param halt called when a write, an fsync or the map fails
public record DiskConfig(
        Path directory,
        UUID cluster,
        String node,
        long capacityBytes,
        long extentBytes,
        long cacheBytes,
        boolean background,
        Halt halt) {

    /// 256 MiB: small enough not to stall, large enough to keep files few.
    public static final long DEFAULT_EXTENT_BYTES = 256L << 20;

    /// 64 MiB: the map of about 20 GiB of hot data.
    public static final long DEFAULT_CACHE_BYTES = 64L << 20;

    public DiskConfig {
        if (capacityBytes < 0
                || extentBytes < 1 << 20
                || extentBytes > 16L << 30
                || extentBytes % Slots.SLOT_BYTES != 0
                || cacheBytes < 0) {
            throw new IllegalArgumentException(
                    "capacity "
                            + capacityBytes
                            + ", extent "
                            + extentBytes
                            + ", cache "
                            + cacheBytes);
        }
    }

    /// The defaults: all of the file system, background work on, halting the process.
    public static DiskConfig of(Path directory, UUID cluster, String node) {
        return new DiskConfig(
                directory,
                cluster,
                node,
                0,
                DEFAULT_EXTENT_BYTES,
                DEFAULT_CACHE_BYTES,
                true,
                Halt.process());
    }

    public DiskConfig withCapacity(long bytes) {
        return new DiskConfig(
                directory, cluster, node, bytes, extentBytes, cacheBytes, background, halt);
    }

    public DiskConfig withExtent(long bytes) {
        return new DiskConfig(
                directory, cluster, node, capacityBytes, bytes, cacheBytes, background, halt);
    }

    public DiskConfig withCache(long bytes) {
        return new DiskConfig(
                directory, cluster, node, capacityBytes, extentBytes, bytes, background, halt);
    }

    public DiskConfig withBackground(boolean on) {
        return new DiskConfig(
                directory, cluster, node, capacityBytes, extentBytes, cacheBytes, on, halt);
    }

    public DiskConfig withHalt(Halt changed) {
        return new DiskConfig(
                directory,
                cluster,
                node,
                capacityBytes,
                extentBytes,
                cacheBytes,
                background,
                changed);
    }
}
