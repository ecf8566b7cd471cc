package io.cistern.nas.v4;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileType;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.ShareEntry;
import io.cistern.nas.share.Shares;
import java.util.Comparator;
import java.util.List;

/// The directory above all shares, which has one subdirectory per share that the client may use
/// (RFC 8881 section 7.3).
final class RootDirectory {
    private RootDirectory() {}

    /// The root of a share.
    ///
    /// @throws NfsException NOENT, ACCESS
    static Access enter(Compound c, ByteString name) {
        Shares shares = c.parts().shares();
        c.call().mayWait();
        shares.find(name.toString()); // looks anew for one that is not known
        for (ShareEntry share : shares.visibleTo(c.call())) {
            if (ByteString.utf8(share.name()).equals(name)) {
                return shares.access(share, FileId.ROOT, c.call());
            }
        }
        throw new NfsException(NfsStatus.NOENT, "no share of that name for this client");
    }

    /// The shares that the client may use, in the order of their cookies.
    static List<ShareEntry> shares(Compound c) {
        return c.parts().shares().visibleTo(c.call()).stream()
                .sorted(Comparator.comparingLong(ShareEntry::id))
                .toList();
    }

    /// Why a name is not opened there.
    static NfsException notOpened(Compound c, ByteString name, boolean create) {
        boolean there = shares(c).stream().anyMatch(s -> ByteString.utf8(s.name()).equals(name));
        if (create && !there) {
            return new NfsException(NfsStatus.ROFS, "shares are not made that way");
        }
        enter(c, name);
        return new NfsException(create ? NfsStatus.EXIST : NfsStatus.ISDIR, "a share's root");
    }

    /// Attributes of the root: it changes when the set of shares does.
    static Attributes attributes(Compound c) {
        List<ShareEntry> shares = shares(c);
        long change = 1;
        for (ShareEntry share : shares) {
            change = change * 31 + share.id() + share.name().hashCode();
        }
        return new Attributes(
                FileId.ROOT,
                FileType.DIRECTORY,
                FileId.ROOT_INODE,
                0555,
                2 + shares.size(),
                0,
                0,
                4_096,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                change & Long.MAX_VALUE);
    }
}
