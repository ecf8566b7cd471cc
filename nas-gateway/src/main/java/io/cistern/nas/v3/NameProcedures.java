package io.cistern.nas.v3;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileResults.Created;
import io.cistern.block.fs.FileResults.Linked;
import io.cistern.block.fs.FileResults.Removed;
import io.cistern.block.fs.FileResults.Renamed;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.OpenFiles;
import io.cistern.nas.xdr.XdrReader;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/// CREATE, MKDIR, SYMLINK, MKNOD, REMOVE, RMDIR, RENAME and LINK (RFC 1813 sections 3.3.8 to
/// 3.3.15).
final class NameProcedures {
    private static final int MAX_LINK_BYTES = 8_192;

    void create(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        ByteString name = rq.readName(in);
        int how = in.readEnum(2, "createmode3");
        CreateMode mode;
        SetAttributes set = SetAttributes.NONE;
        if (how == 2) {
            mode = new CreateMode.Exclusive(in.readLong());
        } else {
            mode = how == 0 ? CreateMode.UNCHECKED : CreateMode.GUARDED;
            set = Attr3.readSet(in);
        }
        SetAttributes wanted = set;
        make(
                rq,
                handle,
                (a, call) -> {
                    Access existing = wanted.size() == null ? null : find(a, name);
                    return existing == null
                            ? a.files().create(call, a.file(), name, mode, wanted)
                            : rq.changing(
                                    existing,
                                    () -> {
                                        var made =
                                                a.files()
                                                        .create(call, a.file(), name, mode, wanted);
                                        await(made);
                                        return made;
                                    });
                });
    }

    /// The file that has a name, which a CREATE would cut off; null where there is none.
    private static @Nullable Access find(Access directory, ByteString name) {
        try {
            return directory.at(
                    await(directory.files().lookup(directory.who(), directory.file(), name))
                            .file()
                            .id());
        } catch (FileException e) {
            return null;
        }
    }

    void mkdir(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        ByteString name = rq.readName(in);
        SetAttributes set = Attr3.readSet(in);
        make(rq, handle, (a, call) -> a.files().mkdir(call, a.file(), name, set));
    }

    void symlink(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        ByteString name = rq.readName(in);
        SetAttributes set = Attr3.readSet(in);
        ByteString target = ByteString.of(in.readOpaque(MAX_LINK_BYTES, "symbolic link"));
        make(rq, handle, (a, call) -> a.files().symlink(call, a.file(), name, target, set));
    }

    void mknod(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        ByteString name = rq.readName(in);
        int number = in.readEnum(7, "ftype3");
        FileType type =
                switch (number) {
                    case 3 -> FileType.BLOCK_DEVICE;
                    case 4 -> FileType.CHARACTER_DEVICE;
                    case 6 -> FileType.SOCKET;
                    case 7 -> FileType.FIFO;
                    default -> FileType.REGULAR;
                };
        if (type == FileType.REGULAR) {
            rq.answer(
                    () -> {
                        throw new NfsException(NfsStatus.BADTYPE, "MKNOD of type " + number);
                    },
                    rq.wcc(handle));
            return;
        }
        boolean device = type == FileType.BLOCK_DEVICE || type == FileType.CHARACTER_DEVICE;
        SetAttributes set = Attr3.readSet(in);
        int major = device ? in.readInt() : 0;
        int minor = device ? in.readInt() : 0;
        make(
                rq,
                handle,
                (a, call) -> {
                    a.checkMayMake(type);
                    return a.files().mknod(call, a.file(), name, type, major, minor, set);
                });
    }

    private static void make(
            Request3 rq,
            byte[] directory,
            BiFunction<Access, Call, CompletableFuture<Created>> action) {
        rq.answer(
                () -> {
                    Access a = rq.access(directory).forChange();
                    Created created = await(action.apply(a, rq.change(a)));
                    return o -> {
                        o.writeBool(true).writeOpaque(rq.encode(a, created.file()));
                        Request3.postOp(o, a, created.file());
                        Request3.wcc(o, a, created.directory());
                    };
                },
                rq.wcc(directory));
    }

    void remove(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        ByteString name = rq.readName(in);
        rq.answer(
                () -> {
                    Access a = rq.access(handle).forChange();
                    Removed removed =
                            rq.openFiles().remove(a, name, rq.change(a), OpenFiles.NO_CLIENT);
                    return o -> Request3.wcc(o, a, removed.directory());
                },
                rq.wcc(handle));
    }

    void rmdir(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        ByteString name = rq.readName(in);
        rq.answer(
                () -> {
                    Access a = rq.access(handle).forChange();
                    Removed removed = await(a.files().rmdir(rq.change(a), a.file(), name));
                    return o -> Request3.wcc(o, a, removed.directory());
                },
                rq.wcc(handle));
    }

    void rename(Request3 rq, XdrReader in) {
        byte[] fromHandle = rq.readHandle(in);
        ByteString fromName = rq.readName(in);
        byte[] toHandle = rq.readHandle(in);
        ByteString toName = rq.readName(in);
        rq.answer(
                () -> {
                    Access from = rq.access(fromHandle).forChange();
                    Access to = rq.access(toHandle).forChange();
                    sameShare(from, to);
                    Renamed renamed =
                            rq.openFiles()
                                    .rename(
                                            from,
                                            fromName,
                                            to,
                                            toName,
                                            rq.change(from),
                                            OpenFiles.NO_CLIENT);
                    return o -> {
                        Request3.wcc(o, from, renamed.from());
                        Request3.wcc(o, to, renamed.to());
                    };
                },
                o -> {
                    rq.wcc(fromHandle).accept(o);
                    rq.wcc(toHandle).accept(o);
                });
    }

    void link(Request3 rq, XdrReader in) {
        byte[] fileHandle = rq.readHandle(in);
        byte[] directoryHandle = rq.readHandle(in);
        ByteString name = rq.readName(in);
        rq.answer(
                () -> {
                    Access file = rq.access(fileHandle).forChange();
                    Access directory = rq.access(directoryHandle).forChange();
                    sameShare(file, directory);
                    Linked linked =
                            rq.changing(
                                    file,
                                    () ->
                                            await(
                                                    file.files()
                                                            .link(
                                                                    rq.change(file),
                                                                    file.file(),
                                                                    directory.file(),
                                                                    name)));
                    Attributes now = linked.file();
                    return o -> {
                        Request3.postOp(o, file, now);
                        Request3.wcc(o, directory, linked.directory());
                    };
                },
                o -> {
                    rq.postOp(fileHandle).accept(o);
                    rq.wcc(directoryHandle).accept(o);
                });
    }

    private static void sameShare(Access a, Access b) {
        if (a.share().entry().id() != b.share().entry().id()) {
            throw new NfsException(NfsStatus.XDEV, "two shares");
        }
    }
}
