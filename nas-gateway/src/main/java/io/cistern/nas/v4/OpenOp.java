package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileResults.Changed;
import io.cistern.block.fs.FileResults.Created;
import io.cistern.block.fs.FileResults.Found;
import io.cistern.block.fs.FileResults.Rights;
import io.cistern.block.fs.SetAttributes;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.BackChannel;
import io.cistern.nas.state.FileKey;
import io.cistern.nas.state.Kinds;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// OPEN (RFC 8881 section 18.16). Whoever opens a file only to read it may be given a read
/// delegation.
record OpenOp(
        int access,
        int deny,
        ByteString owner,
        @Nullable OpenHow create,
        int claim,
        StateId delegation,
        ByteString name)
        implements Operation {
    private static final int CLAIM_NULL = 0;
    private static final int CLAIM_PREVIOUS = 1;
    private static final int CLAIM_DELEGATE_CUR = 2;
    private static final int CLAIM_DELEGATE_PREV = 3;
    private static final int CLAIM_FH = 4;
    private static final int CLAIM_DELEG_CUR_FH = 5;

    private static final int ACCESS_BITS = 3;
    private static final int WANT_MASK = 0xff00;
    private static final int WANT_READ = 0x100;
    private static final int WANT_ANY = 0x300;
    private static final int WANT_NO_DELEGATION = 0x400;
    private static final int WANT_CANCEL = 0x500;
    private static final int KNOWN_ACCESS_BITS = ACCESS_BITS | WANT_MASK | 0x3_0000;

    /// LOCKTYPE_POSIX and PRESERVE_UNLINKED.
    private static final int RESULT_FLAGS = 0x4 | 0x8;

    private static final int READ = 1;
    private static final int DELEGATE_NONE = 0;
    private static final int DELEGATE_READ = 1;
    private static final int DELEGATE_NONE_EXT = 3;
    private static final int WHY_NOT_WANTED = 0;
    private static final int WHY_RESOURCE = 2;
    private static final int WHY_CANCELLED = 7;
    private static final int ATTEMPTS = 16;

    /// How long an OPEN waits to know whether its client can be called back.
    private static final int PROBE_WAIT_MS = 200;

    static OpenOp decode(XdrReader in) {
        in.readInt(); // seqid: not used since 4.1
        int access = in.readInt();
        int deny = in.readInt();
        in.readLong(); // client id: the session's
        ByteString owner = ByteString.of(in.readOpaque(Wire4.MAX_OWNER_BYTES, "open owner"));
        OpenHow create = in.readEnum(1, "opentype4") == 1 ? OpenHow.read(in) : null;
        int claim = in.readEnum(6, "open_claim_type4");
        StateId delegation = StateId.INVALID;
        ByteString name = ByteString.EMPTY;
        switch (claim) {
            case CLAIM_NULL, CLAIM_DELEGATE_PREV -> name = Wire4.readName(in);
            case CLAIM_PREVIOUS -> in.readEnum(5, "open_delegation_type4");
            case CLAIM_DELEGATE_CUR -> {
                delegation = Wire4.readStateId(in);
                name = Wire4.readName(in);
            }
            case CLAIM_DELEG_CUR_FH -> delegation = Wire4.readStateId(in);
            default -> {}
        }
        return new OpenOp(access, deny, owner, create, claim, delegation, name);
    }

    /// What was opened, and how it came to be.
    private record Opened(
            Access file, StateId id, @Nullable Changed directory, long change, int[] set) {}

    @Override
    public void execute(Compound c, XdrWriter out) {
        checkArguments(c);
        Opened opened =
                switch (claim) {
                    case CLAIM_NULL -> byName(c);
                    case CLAIM_PREVIOUS -> reclaim(c);
                    case CLAIM_FH -> byHandle(c);
                    case CLAIM_DELEGATE_CUR, CLAIM_DELEG_CUR_FH -> delegated(c);
                    default ->
                            throw new NfsException(
                                    NfsStatus.NOTSUPP, "delegations are not reclaimed that way");
                };
        c.setFile(opened.file, opened.file.file());
        c.setState(opened.id);
        Wire4.write(out, opened.id);
        if (opened.directory == null) {
            out.writeBool(true).writeLong(opened.change).writeLong(opened.change);
        } else {
            Wire4.writeChange(out, opened.directory);
        }
        out.writeInt(RESULT_FLAGS).writeBitmap(opened.set);
        writeDelegation(out, delegate(c, opened.file));
    }

    /// Gives a read delegation where that is wanted and possible.
    private @Nullable StateId delegate(Compound c, Access file) {
        BackChannel back = c.session().back();
        if (back == null
                || !mayBeDelegated(back)
                || c.state().takeovers().inGrace(file.share().entry().id())) {
            return null;
        }
        try {
            if (!back.probed().get(PROBE_WAIT_MS, TimeUnit.MILLISECONDS)) {
                return null;
            }
        } catch (ExecutionException | TimeoutException e) {
            return null;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return null;
        }
        ByteString handle = ByteString.of(c.encode(file, file.file()));
        StateId given = c.state().delegations().grant(c.client(), Compound.key(file), handle);
        if (given != null) {
            c.parts().recovery().record(c.client(), file.share(), Kinds.DELEGATIONS);
        }
        return given;
    }

    private boolean mayBeDelegated(@Nullable BackChannel back) {
        int want = access & WANT_MASK;
        return mode() == READ
                && deny == 0
                && back != null
                && back.usable()
                && (claim == CLAIM_NULL || claim == CLAIM_FH)
                && (want == 0 || want == WANT_READ || want == WANT_ANY);
    }

    private void writeDelegation(XdrWriter out, @Nullable StateId given) {
        int want = access & WANT_MASK;
        if (given != null) {
            out.writeInt(DELEGATE_READ);
            Wire4.write(out, given);
            out.writeBool(false);
            // An entry that allows nobody anything: the client asks ACCESS for other users.
            out.writeInt(0).writeInt(0).writeInt(0).writeInt(0);
        } else if (want == 0) {
            out.writeInt(DELEGATE_NONE);
        } else if (want == WANT_NO_DELEGATION) {
            out.writeInt(DELEGATE_NONE_EXT).writeInt(WHY_NOT_WANTED);
        } else if (want == WANT_CANCEL) {
            out.writeInt(DELEGATE_NONE_EXT).writeInt(WHY_CANCELLED);
        } else {
            out.writeInt(DELEGATE_NONE_EXT).writeInt(WHY_RESOURCE).writeBool(false);
        }
    }

    private void checkArguments(Compound c) {
        if ((access & ACCESS_BITS) == 0
                || (access & ~KNOWN_ACCESS_BITS) != 0
                || (access & WANT_MASK) > WANT_CANCEL
                || (deny & ~ACCESS_BITS) != 0) {
            throw new NfsException(NfsStatus.INVAL, "undefined access or deny bits");
        }
        if (create != null && claim != CLAIM_NULL) {
            throw new NfsException(NfsStatus.INVAL, "created by name only");
        }
        c.client();
        c.handle();
    }

    private int mode() {
        return access & ACCESS_BITS;
    }

    private boolean writes() {
        return (access & 2) != 0;
    }

    // ---- the claims

    private Opened byName(Compound c) {
        if (c.atRoot()) {
            Wire4.checkName(name);
            throw RootDirectory.notOpened(c, name, create != null);
        }
        Access directory = c.access();
        Wire4.checkName(name);
        if (create != null && c.mayRepeat()) {
            Opened before = repeated(c, directory, create);
            if (before != null) {
                return before;
            }
        }
        checkMayOpen(c, directory);
        if (create == null) {
            Found found = lookup(directory);
            return existing(c, directory, found);
        }
        directory.forChange();
        for (int i = 0; i < ATTEMPTS; i++) {
            Opened opened = create(c, directory, create);
            if (opened != null) {
                return opened;
            }
        }
        throw new NfsException(NfsStatus.DELAY, "the name comes and goes");
    }

    /// This request, where a server before has carried it out: the file is the one that it made or
    /// cut off.
    private @Nullable Opened repeated(Compound c, Access directory, OpenHow how) {
        if (c.madeBefore(directory, c.next(directory, 0))) {
            return createUnlessRaced(c, directory, how);
        }
        if (!how.cutsOff()) {
            return null;
        }
        Call cut = c.next(directory, 1);
        if (!c.madeBefore(directory, cut)) {
            return null;
        }
        Found found = lookupOfCut(directory, cut);
        return truncate(c, existing(c, directory, found));
    }

    /// Finds the file that a server before cut off.
    ///
    /// @throws NfsException DELAY where the name is gone or another file's by now: a new request
    ///   makes the file, or cuts that one off
    private Found lookupOfCut(Access directory, Call cut) {
        Changed first =
                await(
                        directory
                                .files()
                                .setAttributes(cut, directory.file(), SetAttributes.NONE, null));
        try {
            Found found = lookup(directory);
            if (found.file().id().equals(first.after().id())) {
                return found;
            }
        } catch (FileException e) {
            if (e.error() != FileError.NOT_FOUND) {
                throw e;
            }
        }
        throw new NfsException(NfsStatus.DELAY, "what was cut off has another name by now");
    }

    private Opened delegated(Compound c) {
        Access at = c.access(NfsStatus.ISDIR);
        checkMayOpen(c, at);
        Access file =
                claim == CLAIM_DELEG_CUR_FH
                        ? at
                        : at.at(
                                await(at.files().lookup(at.who(), at.file(), Wire4.checkName(name)))
                                        .file()
                                        .id());
        c.state().delegations().check(delegation, c.client(), Compound.key(file));
        Attributes now = await(file.files().attributes(file.file()));
        Types.requireRegular(now.type());
        checkRights(file);
        return new Opened(file, take(c, file), null, now.change(), new int[0]);
    }

    private void checkMayOpen(Compound c, Access at) {
        c.state().takeovers().checkMayOpen(c.client(), at.share().entry().id(), mode(), deny);
    }

    private Found lookup(Access directory) {
        return await(directory.files().lookup(directory.who(), directory.file(), name));
    }

    private Opened existing(Compound c, Access directory, Found found) {
        Types.requireRegular(found.file().type());
        Access file = directory.at(found.file().id());
        checkRights(file);
        StateId id = take(c, file);
        long change = found.directory().change();
        return new Opened(file, id, null, change, new int[0]);
    }

    /// @return null where the name came or went meanwhile
    private @Nullable Opened create(Compound c, Access directory, OpenHow how) {
        if (how.exclusive()) {
            return createNew(c, directory, how, c.once(directory));
        }
        Found found;
        try {
            found = lookup(directory);
        } catch (FileException e) {
            if (e.error() != FileError.NOT_FOUND) {
                throw e;
            }
            return createUnlessRaced(c, directory, how);
        }
        if (how.guarded()) {
            throw new NfsException(NfsStatus.EXIST, "exists");
        }
        if (!how.cutsOff()) {
            // a file that exists is not lengthened (RFC 8881 section 18.16.3)
            return existing(c, directory, found);
        }
        Types.requireRegular(found.file().type());
        checkMayShorten(c, directory.at(found.file().id()));
        return truncate(c, existing(c, directory, found));
    }

    /// Before the open is entered, so that a refusal leaves none behind.
    private static void checkMayShorten(Compound c, Access file) {
        if (!await(file.files().access(file.who(), file.file())).write()
                && !file.who().superuser()) {
            throw new NfsException(NfsStatus.ACCESS, "may not be shortened");
        }
        c.state().checkMayShorten(c.client(), Compound.key(file));
    }

    /// Not the request's first change, which [#repeated] takes for the file's creation.
    private Opened truncate(Compound c, Opened opened) {
        Access file = opened.file;
        c.once(file);
        Call call = c.once(file);
        c.changing(
                file,
                call,
                () ->
                        await(
                                file.files()
                                        .setAttributes(
                                                call, file.file(), SetAttributes.ofSize(0), null)));
        return new Opened(
                file,
                opened.id,
                opened.directory,
                opened.change,
                new int[] {1 << AttributeTable.SIZE.number()});
    }

    /// @return null where somebody else made the name first and that file will do
    private @Nullable Opened createUnlessRaced(Compound c, Access directory, OpenHow how) {
        try {
            return createNew(c, directory, how, c.once(directory));
        } catch (FileException raced) {
            if (raced.error() == FileError.EXISTS && how.unchecked()) {
                return null;
            }
            throw raced;
        }
    }

    private Opened createNew(Compound c, Access directory, OpenHow how, Call call) {
        CreateMode mode =
                how.exclusive() ? new CreateMode.Exclusive(how.verifier()) : CreateMode.GUARDED;
        Created created =
                await(
                        directory
                                .files()
                                .create(call, directory.file(), name, mode, how.settings().set()));
        Types.requireRegular(created.file().type());
        Access file = directory.at(created.file().id());
        StateId id = take(c, file);
        return new Opened(file, id, created.directory(), 0, how.settings().mask());
    }

    private Opened byHandle(Compound c) {
        Access file = c.access(NfsStatus.ISDIR);
        checkMayOpen(c, file);
        Attributes now = await(file.files().attributes(file.file()));
        Types.requireRegular(now.type());
        checkRights(file);
        return new Opened(file, take(c, file), null, now.change(), new int[0]);
    }

    private Opened reclaim(Compound c) {
        Access file = c.access(NfsStatus.ISDIR);
        int had = deny == 0 ? Kinds.OPENS | Kinds.DELEGATIONS : Kinds.DENIALS;
        c.state().takeovers().checkMayReclaim(c.client(), file.share().entry().id(), had);
        Attributes now = await(file.files().attributes(file.file()));
        Types.requireRegular(now.type());
        if (file.who().uid() != now.uid()) {
            checkRights(file);
        } else if (writes()) {
            file.forChange(); // its owner may have opened it before it had the mode it has
        }
        return new Opened(file, take(c, file), null, now.change(), new int[0]);
    }

    /// @throws NfsException ACCESS, ROFS
    private void checkRights(Access file) {
        if (writes()) {
            file.forChange();
        }
        Rights rights = await(file.files().access(file.who(), file.file()));
        boolean mayRead = rights.read() || rights.execute();
        if (((access & 1) != 0 && !mayRead) || (writes() && !rights.write())) {
            throw new NfsException(NfsStatus.ACCESS, "the permission bits do not allow it");
        }
    }

    /// Enters the open, while the file cannot lose its last name unnoticed.
    private StateId take(Compound c, Access file) {
        int kinds =
                Kinds.ofOpen(deny)
                        | (mayBeDelegated(c.session().back()) ? Kinds.DELEGATIONS : Kinds.NONE);
        c.parts().recovery().record(c.client(), file.share(), kinds);
        FileKey key = Compound.key(file);
        if (writes() || (deny & READ) != 0) {
            c.parts().removals().recall(file, c.client().id());
        }
        StateId id =
                c.parts()
                        .removals()
                        .whileNotRemoved(
                                key,
                                () -> {
                                    await(file.files().attributes(file.file())); // still there?
                                    return c.state().open(c.client(), owner, key, mode(), deny);
                                });
        c.parts().recovery().record(c.client(), file.share(), kinds);
        return id;
    }

    @Override
    public int resultBytes() {
        return 128;
    }
}
