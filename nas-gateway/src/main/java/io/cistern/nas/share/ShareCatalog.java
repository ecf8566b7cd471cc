package io.cistern.nas.share;

import io.cistern.block.CisternException;
import io.cistern.block.fs.FileSystem;
import java.util.List;

/// The shares that exist, kept up to date from the cluster's state. Any thread.
public interface ShareCatalog {
    /// In order of names. Does not block.
    List<ShareEntry> shares();

    /// Looks for shares anew, because a client asked for one that is not known. May block; does so
    /// at most now and then.
    default void refresh() {}

    /// Makes this node the share's owner. May block.
    ///
    /// @throws CisternException NOT_FOUND where the share is gone; BUSY where another node owns it
    ///   and is alive; UNAVAILABLE
    FileSystem open(ShareEntry share);
}
