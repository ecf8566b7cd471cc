package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.RangeLocks.Range;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Opens with their share reservations, and byte-range locks (RFC 8881 chapter 9). Guarded by the
/// mutex of [NfsState].
final class StateTable {
    static final int READ = 1;
    static final int WRITE = 2;

    private final int boot;
    private final StateLimits limits;
    private final Consumer<FileKey> onRelease;

    private final Map<FileKey, FileState> files = new HashMap<>();
    private final Map<Long, HeldState> states = new HashMap<>();
    private long nextSerial = 1;
    private int totalOpens;
    private int totalLocks;
    private @Nullable ClientTable clients;
    private @Nullable Delegations delegations;

    /// @param onRelease told of a held file that nobody has open any more
    StateTable(int boot, StateLimits limits, Consumer<FileKey> onRelease) {
        this.boot = boot;
        this.limits = limits;
        this.onRelease = onRelease;
    }

    void clients(ClientTable table, Delegations given) {
        this.clients = table;
        this.delegations = given;
    }

    private Delegations delegations() {
        Delegations d = delegations;
        if (d == null) {
            throw new IllegalStateException("not started");
        }
        return d;
    }

    // ---- for delegations

    long nextSerial() {
        return nextSerial++;
    }

    void enter(Delegation d) {
        states.put(d.serial, d);
    }

    void leave(Delegation d) {
        states.remove(d.serial);
    }

    @Nullable FileState file(FileKey key) {
        return files.get(key);
    }

    FileState fileOrNew(FileKey key) {
        return files.computeIfAbsent(key, FileState::new);
    }

    StateId idOf(HeldState state) {
        return new StateId(state.seqid(), boot, state.serial());
    }

    // ---- opens

    /// @param access bit 1 read, bit 2 write; as `deny`
    record OpenRequest(Client client, ByteString owner, FileKey file, int access, int deny) {}

    StateId open(OpenRequest rq) {
        FileState file = files.computeIfAbsent(rq.file, FileState::new);
        try {
            refuseConflict(file, rq);
            delegations().refuseConflict(file, rq.client, rq.access, rq.deny);
        } finally {
            forgetIfUnused(file);
        }
        files.putIfAbsent(rq.file, file);
        OpenState mine = mine(file, rq);
        if (mine == null) {
            if (rq.client.opens.size() >= limits.maxOpens()
                    || totalOpens >= limits.maxTotalOpens()) {
                forgetIfUnused(file);
                throw new NfsException(NfsStatus.DELAY, "too many opens");
            }
            mine = new OpenState(nextSerial++, rq.client, rq.owner, rq.file);
            states.put(mine.serial, mine);
            file.opens.add(mine);
            totalOpens++;
            rq.client.opens.add(mine);
        }
        mine.ask(rq.access, rq.deny);
        mine.seqid = next(mine.seqid);
        return idOf(mine);
    }

    private static @Nullable OpenState mine(FileState file, OpenRequest rq) {
        for (OpenState open : file.opens) {
            if (open.client == rq.client && open.owner.equals(rq.owner)) {
                return open;
            }
        }
        return null;
    }

    private void refuseConflict(FileState file, OpenRequest rq) {
        for (OpenState open : List.copyOf(file.opens)) {
            boolean own = open.client == rq.client && open.owner.equals(rq.owner);
            boolean conflict = (open.access & rq.deny) != 0 || (open.deny & rq.access) != 0;
            if (!own && conflict && !open.closed && !gone(open.client)) {
                throw new NfsException(Status4.SHARE_DENIED, "another open denies it");
            }
        }
    }

    /// Courtesy ends where somebody else needs what a silent client holds.
    boolean gone(Client client) {
        ClientTable table = clients;
        if (table == null || !table.expired(client)) {
            return false;
        }
        table.remove(client);
        return true;
    }

    private static int next(int seqid) {
        return seqid == -1 ? 1 : seqid + 1;
    }

    StateId downgrade(OpenState open, int access, int deny) {
        if (!open.narrow(access, deny)) {
            throw new NfsException(NfsStatus.INVAL, "no union of what was opened");
        }
        open.seqid = next(open.seqid);
        return idOf(open);
    }

    void close(OpenState open) {
        open.closed = true;
        states.remove(open.serial);
        if (open.client.opens.remove(open)) {
            totalOpens--;
        }
        FileState file = files.get(open.file);
        for (LockState lock : open.locks) {
            lock.freed = true;
            states.remove(lock.serial);
            if (file != null) {
                LockOwner owner = lock.lockOwner();
                count(open.client, -file.locks.clearAll(owner::equals));
            }
        }
        open.locks.clear();
        if (file != null) {
            file.opens.remove(open);
            forgetIfUnused(file);
        }
    }

    private void count(Client client, int locks) {
        client.lockedRanges += locks;
        totalLocks += locks;
    }

    void forgetIfUnused(FileState file) {
        if (file.unused() && files.remove(file.key, file) && file.held) {
            onRelease.accept(file.key);
        }
    }

    void release(Client client) {
        List.copyOf(client.opens).forEach(this::close);
        List.copyOf(client.delegations).forEach(delegations()::end);
        List.copyOf(client.revoked).forEach(delegations()::end);
    }

    /// Ends all opens and locks of a share, whose files are another server's now.
    void drop(long share) {
        for (FileState file : List.copyOf(files.values())) {
            if (file.key.share() == share) {
                file.held = false;
                List.copyOf(file.opens).forEach(this::close);
                List.copyOf(file.delegations).forEach(delegations()::end);
            }
        }
    }

    // ---- stateids

    /// The state that a stateid names.
    ///
    /// @param file null: any
    /// @throws NfsException BAD_STATEID, OLD_STATEID, STALE_STATEID
    HeldState resolve(StateId id, Client client, @Nullable FileKey file) {
        if (id.special()) {
            throw bad("a special stateid");
        }
        if (id.boot() != boot && client.restored && !client.reclaimComplete) {
            // Obsolete in 4.1 but for this: the session did not tell it of the change of servers.
            throw new NfsException(Status4.STALE_STATEID, "from the server before");
        }
        if (id.boot() != boot) {
            throw bad("not from this server");
        }
        HeldState state = states.get(id.serial());
        if (state == null || state.client() != client) {
            throw bad("no such state of this client");
        }
        if (state instanceof Delegation d && d.phase == Delegation.Phase.REVOKED) {
            throw new NfsException(Status4.DELEG_REVOKED, "it was not given back in time");
        }
        if (file != null && !state.file().equals(file)) {
            throw bad("of another file");
        }
        if (id.seqid() != 0 && id.seqid() != state.seqid()) {
            if (id.seqid() - state.seqid() > 0) {
                throw bad("from the future");
            }
            throw new NfsException(Status4.OLD_STATEID, "the state has changed since");
        }
        return state;
    }

    static NfsException bad(String why) {
        return new NfsException(Status4.BAD_STATEID, why);
    }

    OpenState resolveOpen(StateId id, Client client, @Nullable FileKey file) {
        if (resolve(id, client, file) instanceof OpenState open) {
            return open;
        }
        throw bad("a lock's stateid where an open's is needed");
    }

    LockState resolveLock(StateId id, Client client, @Nullable FileKey file) {
        if (resolve(id, client, file) instanceof LockState lock) {
            return lock;
        }
        throw bad("an open's stateid where a lock's is needed");
    }

    /// Checks that I/O under a stateid is allowed.
    ///
    /// @return whether the client has the file open for that, so that permissions were checked then
    boolean checkIo(StateId id, Client client, FileKey file, boolean write) {
        if (id.equals(StateId.ANONYMOUS) || id.equals(StateId.BYPASS)) {
            boolean bypass = id.equals(StateId.BYPASS) && !write;
            FileState state = files.get(file);
            if (state != null && !bypass) {
                refuseDenied(state, write ? WRITE : READ);
            }
            return false;
        }
        HeldState state = resolve(id, client, file);
        if (write && (state.access() & WRITE) == 0) {
            throw new NfsException(Status4.OPENMODE, "not open for writing");
        }
        // Who has it open for writing only may read what he may read anyway.
        return write || (state.access() & READ) != 0;
    }

    void checkMayShorten(Client client, FileKey key) {
        FileState file = files.get(key);
        for (OpenState open : file == null ? List.<OpenState>of() : List.copyOf(file.opens)) {
            if (open.client != client && (open.deny & WRITE) != 0 && !gone(open.client)) {
                throw new NfsException(Status4.SHARE_DENIED, "another open denies writing");
            }
        }
    }

    private void refuseDenied(FileState file, int need) {
        for (OpenState open : List.copyOf(file.opens)) {
            if ((open.deny & need) != 0 && !open.closed && !gone(open.client)) {
                throw new NfsException(Status4.LOCKED, "an open denies it");
            }
        }
    }

    int test(StateId id, Client client) {
        try {
            resolve(id, client, null);
            return NfsStatus.OK;
        } catch (NfsException e) {
            return e.status();
        }
    }

    void free(StateId id, Client client) {
        if (id.boot() == boot
                && states.get(id.serial()) instanceof Delegation d
                && d.client == client
                && d.phase == Delegation.Phase.REVOKED) {
            delegations().end(d);
            return;
        }
        if (!(resolve(id, client, null) instanceof LockState lock)) {
            throw new NfsException(Status4.LOCKS_HELD, "in use: it ends by CLOSE or DELEGRETURN");
        }
        FileState file = files.get(lock.file());
        if (file != null && file.locks.count(lock.lockOwner()) > 0) {
            throw new NfsException(Status4.LOCKS_HELD, "it has locked ranges");
        }
        lock.freed = true;
        lock.open.locks.remove(lock);
        states.remove(lock.serial);
    }

    // ---- locks

    /// The lock state of a lock-owner on a file, new or as it is.
    LockState lockState(OpenState open, ByteString owner) {
        FileState file = files.get(open.file);
        for (OpenState other : file == null ? List.<OpenState>of() : file.opens) {
            if (other.client == open.client) {
                for (LockState lock : other.locks) {
                    if (lock.owner.equals(owner)) {
                        return lock;
                    }
                }
            }
        }
        return new LockState(nextSerial++, open, owner);
    }

    /// @return null where the lock was set; else what is in its way
    @Nullable Range lock(LockState state, Range wanted) {
        Range conflict = conflict(state.file(), wanted);
        if (conflict != null) {
            return conflict;
        }
        if (wanted.exclusive() && (state.access() & WRITE) == 0) {
            throw new NfsException(Status4.OPENMODE, "not open for writing");
        }
        if (!wanted.exclusive() && (state.access() & READ) == 0) {
            throw new NfsException(Status4.OPENMODE, "not open for reading");
        }
        Client client = state.client();
        if (client.lockedRanges >= limits.maxLocks() || totalLocks >= limits.maxTotalLocks()) {
            throw new NfsException(NfsStatus.DELAY, "too many locks");
        }
        if (states.putIfAbsent(state.serial, state) == null) {
            state.open.locks.add(state);
        }
        count(client, file(state).locks.set(wanted));
        state.seqid = next(state.seqid);
        return null;
    }

    @Nullable Range conflict(FileKey key, Range wanted) {
        while (true) {
            FileState file = files.get(key);
            Range held = file == null ? null : file.locks.conflict(wanted);
            if (held == null) {
                return null;
            }
            ClientTable table = clients;
            Client holder = table == null ? null : table.find(held.owner().client());
            if (holder == null || !gone(holder)) {
                return held;
            }
        }
    }

    StateId unlock(LockState state, long first, long last) {
        count(state.client(), file(state).locks.clear(state.lockOwner(), first, last));
        state.seqid = next(state.seqid);
        return idOf(state);
    }

    private FileState file(LockState state) {
        FileState file = files.get(state.file());
        if (file == null) {
            throw new IllegalStateException("lock state without an open file");
        }
        return file;
    }

    // ---- files

    boolean hasOpens(long share) {
        return files.values().stream().anyMatch(f -> f.key.share() == share && f.inUse());
    }

    boolean isOpen(FileKey key) {
        FileState file = files.get(key);
        return file != null && file.inUse();
    }

    /// Remembers that the file system keeps a file for its opens.
    void held(FileKey key) {
        FileState file = files.get(key);
        if (file == null) {
            onRelease.accept(key);
        } else {
            file.held = true;
        }
    }

    int openCount() {
        return totalOpens;
    }

    int lockCount() {
        return totalLocks;
    }

    List<FileState> files() {
        return List.copyOf(files.values());
    }
}
