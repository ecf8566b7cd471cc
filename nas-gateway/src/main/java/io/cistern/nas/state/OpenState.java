package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import java.util.ArrayList;
import java.util.List;

/// A file opened by an open-owner (RFC 8881 section 9.1). Guarded by [NfsState].
public final class OpenState implements HeldState {
    final long serial;
    final Client client;
    final ByteString owner;
    final FileKey file;
    final List<LockState> locks = new ArrayList<>();
    int seqid;

    /// OPEN4_SHARE_ACCESS_* and OPEN4_SHARE_DENY_*: bit 1 read, bit 2 write.
    int access;

    int deny;

    /// Bit n: OPEN asked for access n; OPEN_DOWNGRADE may only go back to such.
    int accessSeen;

    int denySeen;
    boolean closed;

    OpenState(long serial, Client client, ByteString owner, FileKey file) {
        this.serial = serial;
        this.client = client;
        this.owner = owner;
        this.file = file;
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
