package io.cistern.nas.share;

import io.cistern.block.CisternException;
import io.cistern.block.fs.FileSystem;
import java.util.List;

/// The shares that exist, kept up to date from the cluster's state. Any thread.
public interface ShareCatalog {
    /// In order of names. Does not block.
    List<ShareEntry> shares();

    /// Looks for shares anew, because a client asked for one that is not known, or that lets it in
    /// by no rule known. What was there before the call is seen after it. Blocks for a fraction of
    /// a second, so that those who ask in vain wait.
    default void refresh() {}

    /// Makes this node the share's owner. May block.
    ///
    /// @throws CisternException NOT_FOUND where the share is gone; BUSY where another node owns it
    ///   and is alive; UNAVAILABLE
    FileSystem open(ShareEntry share);
}
