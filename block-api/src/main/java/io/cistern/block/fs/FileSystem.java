package io.cistern.block.fs;

import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.Call.StateChange;
import io.cistern.block.fs.FileResults.Changed;
import io.cistern.block.fs.FileResults.Copied;
import io.cistern.block.fs.FileResults.Created;
import io.cistern.block.fs.FileResults.Data;
import io.cistern.block.fs.FileResults.Found;
import io.cistern.block.fs.FileResults.Linked;
import io.cistern.block.fs.FileResults.Listing;
import io.cistern.block.fs.FileResults.Removed;
import io.cistern.block.fs.FileResults.Renamed;
import io.cistern.block.fs.FileResults.Rights;
import io.cistern.block.fs.FileResults.SnapshotView;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.block.fs.FileResults.StateEntry;
import io.cistern.block.fs.FileResults.Written;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// One share as its owner sees it.
///
/// **Changes** are atomic, ordered and durable: a change that completed is on stable storage on a
/// majority of the replicas, whoever asks for it afterwards. There is nothing "unstable": a front
/// end may call every write committed. Each carries a [Call].
///
/// **Reads** show every change that completed before they were called, through whatever owner.
///
/// **Ownership.** Opening a share makes the opener its only owner and fences the one before: from
/// then on every request of that one fails with CisternException FENCED, also those in flight that
/// had not taken effect. [#owner] numbers the owners, growing.
///
/// **Failures** are [FileException] for what the file system refuses, and
/// [io.cistern.block.CisternException] for the storage below: FENCED, UNAVAILABLE (after the file
/// system's own retries; a change may or may not have happened), CORRUPT, LIMIT (too much in
/// flight), INTERNAL.
///
/// **Threading.** Any thread may call any method; none blocks. Futures may complete on a thread of
/// the file system: continuations must be short and never block.
///
/// **Permissions** are POSIX's: the owner's, the group's or the others' bits; directories need
/// search permission (execute) for what is in them, write permission for what changes them, and a
/// sticky directory lets only the owner of it or of the entry remove or rename. Two differences,
/// both because a front end has no opens to check or checked them ([Credentials#opened]): a file's
/// owner may always read and write its data, and who may execute may read.
///
/// **Snapshots** of the share are seen under the name [#SNAPSHOT_DIRECTORY] of the root: the name
/// can be looked up there (it is not listed), and lists one directory per snapshot. Everything in
/// it is READ_ONLY.
public interface FileSystem extends AutoCloseable {
    /// Longest name in bytes. A name is any bytes but `/` and NUL.
    int MAX_NAME_BYTES = 255;

    /// Longest text of a symbolic link, in bytes.
    int MAX_SYMLINK_BYTES = 4096;

    /// Largest size of a file: 8 EiB - 4 KiB.
    long MAX_FILE_BYTES = Long.MAX_VALUE - 4095;

    /// Most names of a file, and most subdirectories of a directory.
    int MAX_LINKS = 1 << 20;

    /// Largest read or write, and most that one [#copy] does. 1 MiB.
    int MAX_IO_BYTES = 1 << 20;

    /// Most entries of one [#list]. 4096.
    int MAX_LISTED = 4096;

    /// The smallest cookie of an entry, so that a front end can number `.` and `..`.
    long FIRST_COOKIE = 3;

    /// Longest name of an extended attribute (without a prefix such as `user.`).
    int MAX_XATTR_NAME_BYTES = 255;

    /// Longest value of an extended attribute. 64 KiB.
    int MAX_XATTR_BYTES = 64 << 10;

    /// Most extended attributes of a file.
    int MAX_XATTRS = 1024;

    int MAX_STATE_KEY_BYTES = 255;

    /// Longest value in the state area. 64 KiB.
    int MAX_STATE_VALUE_BYTES = 64 << 10;

    /// Longest sum of keys and values that one call changes. 256 KiB.
    int MAX_STATE_CHANGE_BYTES = 256 << 10;

    /// Most bytes of keys and values in a share's state area. 256 MiB.
    long MAX_STATE_BYTES = 256L << 20;

    int MAX_HOLDS_PER_CALL = 64;

    /// Most holds of a share at a time.
    int MAX_HOLDS = 1 << 20;

    /// Most (client, slot) pairs whose results a share remembers.
    int MAX_ONCE_SLOTS = 1 << 20;

    int MAX_ONCE_INDEX = 31;

    /// Where snapshots are seen, in the root.
    ByteString SNAPSHOT_DIRECTORY = ByteString.utf8(".snapshot");

    /// Number of this owner; each later owner's is larger.
    long owner();

    /// True where this owner may only read.
    boolean readOnly();

    /// The same share, of the same owner, for threads that may not wait, such as event loops. Reads
    /// of what is in memory are complete when they return; all other requests throw
    /// [WouldBlockException] and have no effect. To be closed with the share.
    FileSystem atOnce();

    // ---- names

    /// The file of that name. `.` is the directory itself, `..` what it is in (the root's is the
    /// root).
    CompletableFuture<Found> lookup(Credentials who, FileId directory, ByteString name);

    /// Entries in the order of their cookies, from the first after `cookie` on. An entry keeps its
    /// cookie as long as it exists; an entry that is there during the whole listing is listed once,
    /// whatever happens to others. `.` and `..` are not listed.
    ///
    /// @param cookie 0 (or below [#FIRST_COOKIE]): from the beginning
    /// @param verifier as the listing before said; 0 at the beginning. A mismatch is BAD_COOKIE.
    /// @param max 1 to [#MAX_LISTED]; fewer may come although more are there
    /// @param attributes whether to look up each entry's attributes
    CompletableFuture<Listing> list(
            Credentials who,
            FileId directory,
            long cookie,
            long verifier,
            int max,
            boolean attributes);

    /// A regular file. `set.size` lets an existing file be shortened, see [CreateMode]. Mode
    /// defaults to 0; owner and group to the caller's (in a set-group-ID directory, to the
    /// directory's group).
    CompletableFuture<Created> create(
            Call call, FileId directory, ByteString name, CreateMode mode, SetAttributes set);

    CompletableFuture<Created> mkdir(
            Call call, FileId directory, ByteString name, SetAttributes set);

    /// @param target 1 to [#MAX_SYMLINK_BYTES] bytes
    CompletableFuture<Created> symlink(
            Call call, FileId directory, ByteString name, ByteString target, SetAttributes set);

    /// A device, FIFO or socket.
    CompletableFuture<Created> mknod(
            Call call,
            FileId directory,
            ByteString name,
            FileType type,
            int deviceMajor,
            int deviceMinor,
            SetAttributes set);

    /// Another name for a file that is not a directory.
    CompletableFuture<Linked> link(Call call, FileId file, FileId directory, ByteString name);

    /// Removes a name. IS_DIRECTORY for a directory. The file ends with its last name, or with its
    /// last hold.
    CompletableFuture<Removed> remove(Call call, FileId directory, ByteString name);

    /// Removes an empty directory. NOT_DIRECTORY for anything else.
    CompletableFuture<Removed> rmdir(Call call, FileId directory, ByteString name);

    /// Renames, replacing what has the new name: a directory replaces an empty directory, anything
    /// else anything but a directory (IS_DIRECTORY, NOT_DIRECTORY, NOT_EMPTY). Two names of one
    /// file: nothing happens. INVALID: a directory into itself or below.
    CompletableFuture<Renamed> rename(
            Call call,
            FileId fromDirectory,
            ByteString fromName,
            FileId toDirectory,
            ByteString toName);

    // ---- attributes

    CompletableFuture<Attributes> attributes(FileId file);

    /// @param guardCtimeNanos CHANGED unless the file's ctime is this; null: unconditional
    CompletableFuture<Changed> setAttributes(
            Call call, FileId file, SetAttributes set, @Nullable Long guardCtimeNanos);

    /// What the permission bits allow. Never fails for lack of a right.
    CompletableFuture<Rights> access(Credentials who, FileId file);

    CompletableFuture<ByteString> readlink(FileId file);

    CompletableFuture<ByteString> xattr(Credentials who, FileId file, ByteString name);

    /// Names in their order, from the first after `after` on (empty: from the beginning).
    CompletableFuture<List<ByteString>> xattrs(
            Credentials who, FileId file, ByteString after, int max);

    /// @param mustExist true: NO_ATTRIBUTE if it does not exist; false: EXISTS if it does; null:
    ///   either
    CompletableFuture<Changed> setXattr(
            Call call, FileId file, ByteString name, ByteString value, @Nullable Boolean mustExist);

    CompletableFuture<Changed> removeXattr(Call call, FileId file, ByteString name);

    // ---- data

    /// @param length up to [#MAX_IO_BYTES]; fewer bytes come where the file ends, and only there
    CompletableFuture<Data> read(Credentials who, FileId file, long offset, int length);

    /// As [#read(Credentials, FileId, long, int)] of `into.remaining()` bytes. Where they are at
    /// hand at once, the result's bytes are `into` itself; else they come in a buffer of their own.
    /// `into` is not touched any more when the method has returned.
    ///
    /// @param into at its beginning
    default CompletableFuture<Data> read(
            Credentials who, FileId file, long offset, ByteBuffer into) {
        return read(who, file, offset, into.remaining());
    }

    /// Durable on a majority when complete. Writes in flight at once to the same bytes are in no
    /// particular order. More than 64 KiB may take effect in parts.
    ///
    /// @param data at most [#MAX_IO_BYTES]; belongs to the file system until the future completes;
    ///   its position is not changed
    CompletableFuture<Written> write(Call call, FileId file, long offset, ByteBuffer data);

    /// Completes when every write that completed before the call is durable.
    CompletableFuture<Attributes> commit(FileId file);

    /// Counts the range towards the quota, so that later writes to it do not meet QUOTA; lengthens
    /// the file if need be. The pool stays thin.
    CompletableFuture<Changed> allocate(Call call, FileId file, long offset, long length);

    /// Makes the range read as zeroes and frees its whole blocks. The size stays.
    CompletableFuture<Changed> deallocate(Call call, FileId file, long offset, long length);

    /// The first offset from `offset` on that is (`data`) allocated or is not; the end of the file
    /// counts as a hole. NO_DATA: there is none, or `offset` is at or beyond the end.
    CompletableFuture<Long> seek(Credentials who, FileId file, long offset, boolean data);

    /// Copies between regular files, or within one where the ranges do not overlap (INVALID). What
    /// is a hole is written as zeroes: who wants to leave it out asks [#seek]. Does a part at a
    /// time, at most [#MAX_IO_BYTES]; the result says how much: 0 only at the end of the source.
    CompletableFuture<Copied> copy(
            Call call, FileId from, long fromOffset, FileId to, long toOffset, long length);

    // ---- the share

    CompletableFuture<Space> space();

    /// Snapshots, oldest first.
    CompletableFuture<List<SnapshotView>> snapshots();

    // ---- the front end's durable state

    /// Changes only state and holds.
    CompletableFuture<Void> change(Call call);

    /// The value of a key; null if there is none.
    CompletableFuture<@Nullable ByteString> state(ByteString key);

    /// Entries whose keys begin with `prefix`, in their order, from the first after `after` on;
    /// fewer than `max` may come although more are there, none only at the end. A snapshot or a
    /// clone of the share has no state.
    CompletableFuture<List<StateEntry>> states(ByteString prefix, ByteString after, int max);

    /// Whether the result of that change is remembered: a call with this id would get it, and
    /// change nothing.
    CompletableFuture<Boolean> remembered(OnceId once);

    /// Ends all holds of a client and forgets its results, with the state changes of `call` in the
    /// same instant.
    CompletableFuture<Void> forgetClient(Call call, long client);

    /// One change of the state area.
    default CompletableFuture<Void> changeState(List<StateChange> changes) {
        return change(Call.of(Credentials.ROOT).withState(changes));
    }

    /// Ends ownership. Requests in flight complete or fail with UNAVAILABLE.
    @Override
    void close();
}
