package io.cistern.volume;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// What an administrator does with shares. Blocking, threads and failures as in [ClusterAdmin].
public interface ShareAdmin {
    /// @param quotaBytes 0: none
    /// @param rules which clients may use it; empty: none may
    ShareInfo create(String name, long quotaBytes, List<ShareRule> rules);

    /// In order of names.
    List<ShareInfo> list();

    /// NOT_FOUND.
    ShareInfo show(String name);

    /// Who uses it. NOT_FOUND.
    ShareUse use(String name);

    /// @param quotaBytes null: as it is; 0: none
    /// @param rules null: as they are
    ShareInfo configure(String name, @Nullable Long quotaBytes, @Nullable List<ShareRule> rules);

    /// Freezes the share under `snapshot.snapshot()`; it is seen as `.snapshot/NAME`.
    ShareInfo snapshot(SnapshotName snapshot);

    /// BUSY while a clone depends on it.
    ShareInfo deleteSnapshot(SnapshotName snapshot);

    /// A new share that begins as the snapshot, with the quota and rules of the first.
    ShareInfo cloneShare(SnapshotName snapshot, String newName);

    /// Ends whoever serves the share, and deletes it with its snapshots. BUSY while a clone depends
    /// on it.
    void delete(String name);

    /// Freezes volumes and shares of one group in one instant: all or none. INVALID where they live
    /// in different groups.
    void snapshotTogether(List<SnapshotName> volumes, List<SnapshotName> shares);
}
