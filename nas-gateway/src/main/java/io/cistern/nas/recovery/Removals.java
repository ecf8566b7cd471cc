package io.cistern.nas.recovery;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.Hold;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Removed;
import io.cistern.block.fs.FileResults.Renamed;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.OpenFiles;
import io.cistern.nas.state.FileKey;
import io.cistern.nas.state.Kinds;
import io.cistern.nas.state.NfsState;
import java.util.List;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Takes names away while files may be open: a file that loses its last name while a client has it
/// open is held in the file system, in the same log entry, until the last close. An open and a
/// removal of one file exclude each other. While clients of an earlier owner may reclaim opens,
/// every file counts as open. Delegations of what is changed are recalled first.
///
/// Any thread; blocks.
public final class Removals implements OpenFiles {
    /// Holds are this server's as a whole; each file has one, numbered by its inode.
    static final long HOLDER = -2;

    private static final int STRIPES = 256;

    private final NfsState state;
    private final Recaller recaller;
    private final ReentrantReadWriteLock[] stripes = new ReentrantReadWriteLock[STRIPES];

    /// Has delegations given back.
    public interface Recaller {
        /// Returns when no other client has a delegation of the file.
        ///
        /// @throws NfsException DELAY where that takes too long
        void clear(FileKey file, long client);
    }

    public Removals(NfsState state, Recaller recaller) {
        this.state = state;
        this.recaller = recaller;
        for (int i = 0; i < STRIPES; i++) {
            stripes[i] = new ReentrantReadWriteLock();
        }
    }

    private ReentrantReadWriteLock stripe(FileKey key) {
        return stripes[Math.floorMod(key.hashCode(), STRIPES)];
    }

    public static FileKey keyOf(Access near, FileId file) {
        return new FileKey(near.share().entry().id(), file.snapshot(), file.inode());
    }

    /// Runs `action` while no removal of the file can be under way.
    public <T> T whileNotRemoved(FileKey key, Supplier<T> action) {
        Lock lock = stripe(key).readLock();
        lock.lock();
        try {
            return action.get();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public Removed remove(Access directory, ByteString name, Call call, long client) {
        refuseWhileDelegated(directory, call);
        FileId file = find(directory, name);
        return changing(
                directory,
                file,
                client,
                call,
                () ->
                        guarded(
                                directory,
                                file,
                                call,
                                c -> await(directory.files().remove(c, directory.file(), name))));
    }

    @Override
    public Renamed rename(
            Access from,
            ByteString fromName,
            Access to,
            ByteString toName,
            Call call,
            long client) {
        refuseWhileDelegated(from, call);
        FileId moved = find(from, fromName);
        FileId replaced = find(to, toName);
        return changing(
                from,
                moved,
                client,
                call,
                () ->
                        changing(
                                to,
                                replaced,
                                client,
                                call,
                                () ->
                                        guarded(
                                                to,
                                                replaced,
                                                call,
                                                c ->
                                                        await(
                                                                from.files()
                                                                        .rename(
                                                                                c,
                                                                                from.file(),
                                                                                fromName,
                                                                                to.file(),
                                                                                toName)))));
    }

    @Override
    public <T> T changing(Access file, long client, @Nullable Call call, Supplier<T> action) {
        refuseWhileDelegated(file, call);
        return changing(file, file.file(), client, call, action);
    }

    /// Has delegations given back that others have of a file.
    ///
    /// @throws NfsException DELAY while one is recalled
    public void recall(Access file, long client) {
        changing(file, file.file(), client, null, () -> 0);
    }

    /// @param call a change that was made before waits for nobody: its result is known
    private <T> T changing(
            Access near,
            @Nullable FileId file,
            long client,
            @Nullable Call call,
            Supplier<T> action) {
        if (file == null || file.inSnapshot()) {
            return action.get();
        }
        FileKey key = keyOf(near, file);
        state.delegations().beginChange(key);
        try {
            try {
                recaller.clear(key, client);
            } catch (NfsException e) {
                if (call == null || !madeBefore(near, call)) {
                    throw e;
                }
            }
            return action.get();
        } finally {
            state.delegations().endChange(key);
        }
    }

    /// A client that has not noticed that its delegations are no more may still act on them.
    private void refuseWhileDelegated(Access access, @Nullable Call call) {
        if (state.takeovers().unreclaimed(access.share().entry().id(), Kinds.DELEGATIONS)
                && (call == null || !madeBefore(access, call))) {
            throw new NfsException(NfsStatus.DELAY, "clients are reclaiming what they had");
        }
    }

    /// Whether a change was made already, so that asking for it again gets its result.
    public static boolean madeBefore(Access access, Call call) {
        OnceId once = call.once();
        return once != null && await(access.files().remembered(once));
    }

    /// What has the name now; null where nothing has, or it cannot be told.
    private static @Nullable FileId find(Access directory, ByteString name) {
        try {
            return await(directory.files().lookup(Credentials.ROOT, directory.file(), name))
                    .file()
                    .id();
        } catch (FileException e) {
            return null;
        }
    }

    private <T> T guarded(Access near, @Nullable FileId file, Call call, Function<Call, T> action) {
        if (file == null) {
            return action.apply(call);
        }
        FileKey key = keyOf(near, file);
        Lock lock = stripe(key).writeLock();
        lock.lock();
        try {
            if (!state.keepsRemoved(key)) {
                return action.apply(call);
            }
            T result =
                    action.apply(
                            call.withHolds(List.of(new Hold(file, HOLDER, file.inode(), true)))
                                    .withState(List.of(Recovery.holdRecord(file))));
            state.held(key);
            return result;
        } finally {
            lock.unlock();
        }
    }
}
