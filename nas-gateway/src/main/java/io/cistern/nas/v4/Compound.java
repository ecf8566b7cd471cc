package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.WouldBlockException;
import io.cistern.nas.recovery.Removals;
import io.cistern.nas.rpc.RpcCall;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.FileHandle;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.Client;
import io.cistern.nas.state.FileKey;
import io.cistern.nas.state.Kinds;
import io.cistern.nas.state.NfsState;
import io.cistern.nas.state.Session;
import io.cistern.nas.state.StateId;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// What the operations of one COMPOUND share: the current and the saved file handle, their
/// stateids, the session. One thread.
final class Compound {
    private final Nfs4.Parts parts;
    private RpcCall call;
    private final int minorVersion;
    private final int operations;

    private @Nullable FileHandle current;
    private @Nullable Access currentAccess;
    private StateId currentState = StateId.INVALID;
    private @Nullable FileHandle saved;
    private StateId savedState = StateId.INVALID;

    private @Nullable Session session;
    private int slot = -1;
    private int number;
    private int changes;
    private boolean mayRepeat;
    private boolean slotHeld;
    private boolean keep;
    private int index;
    private int room = Integer.MAX_VALUE;

    Compound(Nfs4.Parts parts, RpcCall call, int minorVersion, int operations) {
        this.parts = parts;
        this.call = call;
        this.minorVersion = minorVersion;
        this.operations = operations;
    }

    Nfs4.Parts parts() {
        return parts;
    }

    NfsState state() {
        return parts.state();
    }

    RpcCall call() {
        return call;
    }

    /// From now on it is carried out by a thread that may wait.
    void waits() {
        call = call.waiting();
        currentAccess = null;
    }

    int minorVersion() {
        return minorVersion;
    }

    int operations() {
        return operations;
    }

    // ---- the session

    boolean inSession() {
        return session != null;
    }

    Session session() {
        Session s = session;
        if (s == null) {
            throw new NfsException(Status4.OP_NOT_IN_SESSION, "no SEQUENCE before");
        }
        return s;
    }

    Client client() {
        return session().client();
    }

    void enter(Session entered, Session.Ask ask, boolean held, boolean keepReply) {
        this.session = entered;
        this.slot = ask.slot();
        this.number = ask.onceNumber();
        this.mayRepeat = held && entered.mayRepeat(slot);
        this.slotHeld = held;
        this.keep = keepReply;
    }

    int slot() {
        return slot;
    }

    boolean holdsSlot() {
        return slotHeld;
    }

    boolean keepsReply() {
        return keep;
    }

    boolean mayKeep(int bytes) {
        return keep ? session().wouldKeep(bytes) : session().keepsAnyway(bytes);
    }

    void finishSlot(byte[] reply) {
        slotHeld = false;
        session().finish(slot, reply, keep);
    }

    /// After an unexpected failure: the client may repeat the request and is told that its reply
    /// was not kept.
    void abandonSlot() {
        if (slotHeld) {
            finishSlot(new byte[0]);
        }
    }

    void begin(int operation, int roomBytes) {
        this.index = operation;
        this.room = roomBytes;
    }

    boolean last() {
        return index == operations - 1;
    }

    /// Bytes that the result of this operation may have.
    int room() {
        return room;
    }

    int room(int replyBytes) {
        Session s = session;
        if (s == null) {
            return Integer.MAX_VALUE;
        }
        return Math.max(0, s.fore().maxResponseBytes() - replyBytes - 8);
    }

    // ---- file handles

    FileHandle handle() {
        FileHandle h = current;
        if (h == null) {
            throw new NfsException(Status4.NOFILEHANDLE, "no current file handle");
        }
        return h;
    }

    boolean atRoot() {
        return handle() instanceof FileHandle.PseudoRoot;
    }

    void setHandle(@Nullable FileHandle handle) {
        current = handle;
        currentAccess = null;
        currentState = StateId.INVALID;
    }

    void setFile(Access near, FileId file) {
        setHandle(new FileHandle.InShare(near.share().entry().id(), file));
        currentAccess = near.at(file);
    }

    void setState(StateId id) {
        currentState = id;
    }

    void save() {
        saved = handle();
        savedState = currentState;
    }

    void restore() {
        if (saved == null) {
            throw new NfsException(Status4.RESTOREFH, "nothing was saved");
        }
        setHandle(saved);
        currentState = savedState;
    }

    /// The current file, at the root above all shares a failure with ROFS.
    Access access() {
        return access(NfsStatus.ROFS);
    }

    /// @param atRoot the failure where the current file handle is the root above all shares
    Access access(int atRoot) {
        Access known = currentAccess;
        if (known != null) {
            return known;
        }
        if (!(handle() instanceof FileHandle.InShare file)) {
            throw new NfsException(atRoot, "the root above all shares");
        }
        Access access = parts.shares().access(file, call);
        currentAccess = access;
        return access;
    }

    Access change() {
        return access().forChange();
    }

    /// The saved file, which must be in the same share as the current one.
    Access savedAccess(Access near) {
        FileHandle h = saved;
        if (h == null) {
            throw new NfsException(Status4.NOFILEHANDLE, "nothing was saved");
        }
        if (!(h instanceof FileHandle.InShare file) || file.share() != near.share().entry().id()) {
            throw new NfsException(NfsStatus.XDEV, "two shares");
        }
        return near.at(file.file());
    }

    StateId savedState(StateId given) {
        return given.equals(StateId.CURRENT) ? savedState : given;
    }

    byte[] encode(FileHandle handle) {
        return parts.shares().handles().encode(handle);
    }

    byte[] encode(Access near, FileId file) {
        return encode(new FileHandle.InShare(near.share().entry().id(), file));
    }

    // ---- state

    /// The stateid that was meant.
    StateId stateid(StateId given) {
        if (!given.equals(StateId.CURRENT)) {
            return given;
        }
        if (currentState.equals(StateId.INVALID)) {
            throw new NfsException(Status4.BAD_STATEID, "no current stateid");
        }
        return currentState;
    }

    static FileKey key(Access a) {
        return Removals.keyOf(a, a.file());
    }

    /// Checks a stateid for I/O on the current file.
    ///
    /// @return the file, with the rights that its open gave
    Access io(Access a, StateId given, boolean write) {
        boolean opened = state().checkIo(stateid(given), client(), key(a), write);
        return opened ? a.asOpened() : a;
    }

    // ---- changes

    /// What goes with a change of names or attributes: a repetition of this request does not make
    /// it again, at the share's next owner neither. Changes of a request are told apart by their
    /// order.
    Call once(Access a) {
        Call call = next(a, 0);
        changes++;
        return call;
    }

    /// What [#once] will return. Changes beyond those that a share remembers of a request are not
    /// made where a server before may have made them: that cannot be told, and an end of a file cut
    /// off twice may be others'.
    ///
    /// @param ahead 0: at the next call, 1: at the one after it
    /// @throws NfsException DELAY
    Call next(Access a, int ahead) {
        parts.recovery().record(client(), a.share(), Kinds.NONE);
        int index = changes + ahead;
        boolean remembered = index <= FileSystem.MAX_ONCE_INDEX;
        if (!remembered && mayRepeat) {
            throw new NfsException(NfsStatus.DELAY, "it may have been made before");
        }
        return !remembered
                ? Call.of(a.who())
                : Call.of(a.who(), new OnceId(session().onceClient(), slot, number, index));
    }

    /// Whether a change was made already, by this very request at a server before.
    boolean madeBefore(Access a, Call change) {
        return mayRepeat && Removals.madeBefore(a, change);
    }

    /// Whether this request may have been carried out by a server before.
    boolean mayRepeat() {
        return mayRepeat;
    }

    /// Makes a change of a file that others may have a delegation of.
    ///
    /// @param call what goes with it, see [#once]; null: it may be made again
    <T> T changing(Access file, @Nullable Call call, Supplier<T> action) {
        return parts.removals().changing(file, client().id(), call, action);
    }

    /// Makes a change of a file's data: who has it open for writing is in nobody's way.
    <T> T changing(Access file, StateId under, Supplier<T> action) {
        return stateid(under).special() ? changing(file, (Call) null, action) : action.get();
    }

    // ---- failures

    int statusOf(RuntimeException failure, OpCode code) {
        if (failure instanceof XdrException) {
            return Status4.BADXDR;
        }
        if (failure instanceof LockTypes.DeniedException) {
            return Status4.DENIED;
        }
        Access used = currentAccess;
        if (used != null) {
            parts.shares().failed(used.share(), failure);
        }
        int status = NfsStatus.of(failure, 4);
        boolean names = code == OpCode.LOOKUP || code == OpCode.LOOKUPP || code == OpCode.OPEN;
        if (status == NfsStatus.NOTDIR && names && used != null && isSymlink(used)) {
            return Status4.SYMLINK;
        }
        if (status == Status4.WRONG_TYPE
                && (code == OpCode.READ || code == OpCode.WRITE)
                && used != null
                && isSymlink(used)) {
            return Status4.SYMLINK;
        }
        return status;
    }

    private static boolean isSymlink(Access a) {
        try {
            return await(a.files().attributes(a.file())).type() == FileType.SYMLINK;
        } catch (WouldBlockException e) {
            throw e;
        } catch (RuntimeException e) {
            return false;
        }
    }
}
