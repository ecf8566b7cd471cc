package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import java.util.ArrayList;
import java.util.List;

/// A file opened by an open-owner (RFC 8881 section 9.1). Guarded by [NfsState].
public final class OpenState implements HeldState {
    private static final int BOTH = 3;

    final long serial;
    final Client client;
    final ByteString owner;
    final FileKey file;
    final List<LockState> locks = new ArrayList<>();
    int seqid;

    /// OPEN4_SHARE_ACCESS_* and OPEN4_SHARE_DENY_*: bit 1 read, bit 2 write.
    int access;

    int deny;

    /// The combinations of access and deny that OPEN asked for and that are still in effect.
    int asked;

    boolean closed;

    OpenState(long serial, Client client, ByteString owner, FileKey file) {
        this.serial = serial;
        this.client = client;
        this.owner = owner;
        this.file = file;
    }

    /// OPEN: asks for more.
    void ask(int moreAccess, int moreDeny) {
        access |= moreAccess;
        deny |= moreDeny;
        asked |= combination(moreAccess, moreDeny);
    }

    /// The bit of [#asked] for a combination.
    private static int combination(int access, int deny) {
        return 1 << (access << 2 | deny);
    }

    /// OPEN_DOWNGRADE: goes back to what some of the opens in effect asked for together (RFC 8881
    /// section 18.18.3). That is so where all those that ask for no more do.
    ///
    /// @return false, and nothing has changed, where they do not
    boolean narrow(int toAccess, int toDeny) {
        int kept = 0;
        int keptAccess = 0;
        int keptDeny = 0;
        for (int a = 1; a <= BOTH; a++) {
            for (int d = 0; d <= BOTH; d++) {
                int bit = combination(a, d);
                if ((asked & bit) != 0 && (a & ~toAccess) == 0 && (d & ~toDeny) == 0) {
                    kept |= bit;
                    keptAccess |= a;
                    keptDeny |= d;
                }
            }
        }
        if (keptAccess != toAccess || keptDeny != toDeny) {
            return false;
        }
        asked = kept;
        access = toAccess;
        deny = toDeny;
        return true;
    }

    @Override
    public Client client() {
        return client;
    }

    @Override
    public FileKey file() {
        return file;
    }

    @Override
    public int access() {
        return access;
    }

    @Override
    public int seqid() {
        return seqid;
    }

    @Override
    public long serial() {
        return serial;
    }

    public int deny() {
        return deny;
    }
}
