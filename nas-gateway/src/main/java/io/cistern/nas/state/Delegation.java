package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import java.util.concurrent.CompletableFuture;

/// A read delegation (RFC 8881 section 10.4): as long as a client has it nobody else changes the
/// file, so that the client need not ask. Guarded by [NfsState], but for what is final.
///
/// ```
/// HELD --somebody wants to change the file--> RECALLED --DELEGRETURN--> gone
///                                                \--not in time--> REVOKED --FREE_STATEID--> gone
/// ```
public final class Delegation implements HeldState {
    enum Phase {
        HELD,
        RECALLED,
        REVOKED
    }

    final long serial;
    final Client client;
    final FileKey file;
    final ByteString handle;
    final CompletableFuture<Void> over = new CompletableFuture<>();
    Phase phase = Phase.HELD;
    final long grantedNanos;
    long recalledNanos;

    /// @param handle the file's handle as the client was given it
    Delegation(long serial, Client client, FileKey file, ByteString handle, long grantedNanos) {
        this.grantedNanos = grantedNanos;
        this.serial = serial;
        this.client = client;
        this.file = file;
        this.handle = handle;
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
        return StateTable.READ;
    }

    @Override
    public int seqid() {
        return 1;
    }

    @Override
    public long serial() {
        return serial;
    }

    public ByteString handle() {
        return handle;
    }

    /// Completes when it is in nobody's way any more.
    public CompletableFuture<Void> over() {
        return over;
    }
}
