package io.cistern.storage;

import io.cistern.raft.LogPosition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A store as it was behind one log entry, held still while it is compared with other replicas.
///
/// What is compared is what a log position determines: volumes with their snapshots, attachments
/// and executed writes, the rows of shares and the checksums of all blocks, in every snapshot. How
/// a replica stores that (slots, rows that the collector has not merged yet) may differ and is left
/// out. It is a sequence of items in the order of their keys, which are opaque.
///
/// While it is open the map keeps what was overwritten since. Methods block on the disk and may be
/// called from any thread.
public interface StoreCut extends AutoCloseable {
    /// What the items are made of. Only cuts of one form can be compared.
    int FORM = 1;

    /// Where the items of the last page end: behind every key.
    static byte[] end() {
        return new byte[] {(byte) 0xff};
    }

    LogPosition position();

    /// About how many bytes of rows are read to go through all items.
    long estimatedBytes();

    /// The digest of the items behind `after`.
    ///
    /// @param after null to begin
    /// @param last the stretch's end, included; null: the cut chooses it, after about `maxItems`
    CutPage page(byte @Nullable [] after, byte @Nullable [] last, int maxItems);

    /// The items behind `after` up to `last`, at most `maxItems`.
    List<CutItem> items(byte @Nullable [] after, byte[] last, int maxItems);

    /// What an item is about.
    ///
    /// @throws io.cistern.block.CisternException INVALID where it is no item's key
    Subject subject(byte[] key);

    /// @param volume 0: none in particular
    /// @param snapshot empty for the head
    /// @param what for people, as `inode 12`
    record Subject(long volume, String snapshot, String what) {}

    /// A stretch of items.
    ///
    /// @param last its end, included; [#end] where nothing follows
    /// @param items in it
    /// @param bytes read for it
    record CutPage(byte[] last, long items, long bytes, long digest) {}

    /// One item.
    record CutItem(byte[] key, long digest) {}

    @Override
    void close();
}
