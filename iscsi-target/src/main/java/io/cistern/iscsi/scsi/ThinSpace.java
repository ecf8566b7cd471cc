package io.cistern.iscsi.scsi;

/// What the pool behind a thin volume has, for log pages and threshold events (SBC-3 4.7.3.7). Any
/// thread; never blocks; may be seconds old.
public interface ThinSpace {
    /// Bytes mapped by the volume.
    long usedBytes();

    /// Bytes the pool could still map for it.
    long availableBytes();
}
