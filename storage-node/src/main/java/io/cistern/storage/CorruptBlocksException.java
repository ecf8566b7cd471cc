package io.cistern.storage;

import java.util.List;

/// Stored bytes do not match their checksums. None of them were handed out. The caller fetches the
/// blocks from a peer ([Store#readGranule] there), writes them back with [Store#repair] and reads
/// again.
public final class CorruptBlocksException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient List<Corrupt> blocks;

    public CorruptBlocksException(List<Corrupt> blocks) {
        super("checksum mismatch: " + blocks);
        this.blocks = List.copyOf(blocks);
    }

    /// What is damaged, at least one element.
    public List<Corrupt> blocks() {
        return blocks;
    }

    /// Damaged blocks of one row.
    ///
    /// @param row where they are stored on this replica; other replicas may keep them under another
    ///   epoch or branch
    /// @param via a live view through which they are seen: ask a peer for the granule at this view
    /// @param blocks one bit per damaged block of the granule, bit 0 the first
    /// @param lastIndex log index of the row's last change
    public record Corrupt(RowKey row, View via, int blocks, long lastIndex) {}
}
