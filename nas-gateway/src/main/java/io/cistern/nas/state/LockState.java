package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;

/// The byte-range locks of one lock-owner on one file. Guarded by [NfsState].
public final class LockState implements HeldState {
    final long serial;
    final OpenState open;
    final ByteString owner;
    int seqid;
    boolean freed;

    LockState(long serial, OpenState open, ByteString owner) {
        this.serial = serial;
        this.open = open;
        this.owner = owner;
    }

    @Override
    public Client client() {
        return open.client;
    }

    @Override
    public FileKey file() {
        return open.file;
    }

    @Override
    public int access() {
        return open.access;
    }

    @Override
    public int seqid() {
        return seqid;
    }

    @Override
    public long serial() {
        return serial;
    }

    LockOwner lockOwner() {
        return new LockOwner(open.client.id(), owner);
    }
}
