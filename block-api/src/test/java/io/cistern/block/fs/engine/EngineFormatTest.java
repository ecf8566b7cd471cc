package io.cistern.block.fs.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.Hold;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.Call.StateChange;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Entry;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.SetAttributes.SetTime;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/// What stands in logs, messages and rows.
class EngineFormatTest {
    private static final FileId A = new FileId(0, 5, 6);
    private static final FileId B = new FileId(7, 8, 9);
    private static final ByteString NAME = ByteString.of((byte) 'n', (byte) 0xff);
    private static final ByteString TEXT = ByteString.utf8("text");

    private static List<FileRequest> requests() {
        Call plain = Call.of(Credentials.ROOT);
        Call full =
                new Call(
                        new Credentials(1, 2, List.of(3, 4), true),
                        new OnceId(5, 6, 7, 8),
                        List.of(new StateChange(NAME, TEXT), new StateChange(TEXT, null)),
                        List.of(new Hold(null, 1, 2, true), new Hold(A, 3, 4, false)));
        SetAttributes all = new SetAttributes(0644, 1, 2, 3L, SetTime.SERVER, SetTime.to(4));
        List<FileOp> ops = new ArrayList<>();
        for (CreateMode how :
                List.of(CreateMode.UNCHECKED, CreateMode.GUARDED, new CreateMode.Exclusive(9))) {
            ops.add(new FileOp.Make(A, NAME, FileType.REGULAR, how, all, TEXT, 1, 2));
        }
        ops.add(new FileOp.Link(A, B, NAME));
        ops.add(new FileOp.Remove(A, NAME, true));
        ops.add(new FileOp.Rename(A, NAME, B, TEXT));
        ops.add(new FileOp.SetAttr(A, all, 5L));
        ops.add(new FileOp.SetAttr(A, SetAttributes.NONE, null));
        ops.add(new FileOp.SetXattr(A, NAME, TEXT, true));
        ops.add(new FileOp.SetXattr(A, NAME, null, null));
        ops.add(new FileOp.SetXattr(A, NAME, TEXT, false));
        ops.add(new FileOp.Write(A, 1, 2));
        ops.add(new FileOp.Allocate(A, 1, 2));
        ops.add(new FileOp.Deallocate(A, 1, 2));
        ops.add(new FileOp.Touch());
        ops.add(new FileOp.Forget(1));
        ops.add(new FileOp.Clean());
        ops.add(new FileOp.Format(1));
        ops.add(new FileOp.Configure(1L, TEXT));
        ops.add(new FileOp.Configure(null, null));
        List<FileRequest> requests = new ArrayList<>();
        for (FileOp op : ops) {
            requests.add(new FileRequest(op, requests.size() % 2 == 0 ? plain : full, 11));
        }
        return requests;
    }

    private static List<FileQuery> queries() {
        Credentials who = new Credentials(1, 2, List.of(3));
        return List.of(
                new FileQuery.Lookup(who, A, NAME),
                new FileQuery.ListEntries(who, A, 1, 2, 3, true),
                new FileQuery.Attrs(who, A),
                new FileQuery.Access(who, A),
                new FileQuery.Readlink(who, A),
                new FileQuery.Xattr(who, A, NAME),
                new FileQuery.Xattrs(who, A, NAME, 5),
                new FileQuery.Read(who, A, 1, 2),
                new FileQuery.Seek(who, A, 1, true),
                new FileQuery.Space(who),
                new FileQuery.Snapshots(who),
                new FileQuery.State(who, NAME),
                new FileQuery.States(who, NAME, TEXT, 3));
    }

    private static Attributes attributes() {
        return new Attributes(A, FileType.FIFO, 1, 0644, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);
    }

    private static List<Reply> replies() {
        return List.of(
                Reply.DONE,
                Reply.of(List.of(1L, -2L), attributes(), null),
                Reply.refused(new FileException(FileError.NOT_EMPTY, "no")),
                Reply.DONE
                        .with(
                                List.of(
                                        new Entry(NAME, A, 3, attributes()),
                                        new Entry(TEXT, B, 4, null)))
                        .with(ByteBuffer.wrap(new byte[] {1, 2, 3})));
    }

    private static List<byte[]> rows() {
        Inode inode = new Inode(5, FileType.REGULAR, 6);
        inode.mode = 0644;
        inode.links = 1;
        inode.size = 1L << 42;
        inode.usedBlocks = 7;
        inode.verifier = 8L;
        inode.farMap = 9;
        inode.extents = new long[] {3, -1, 1L << 42};
        ShareRecord share = new ShareRecord();
        share.nextInode = 3;
        share.quota = 4;
        StateRecord state = new StateRecord();
        state.holds = 2;
        Dirent entry = new Dirent(NAME, 5, 6, 7);
        return List.of(
                inode.encode(),
                new Inode(1, FileType.DIRECTORY, 0).encode(),
                share.encode(),
                state.encode(),
                entry.byName(),
                entry.byCookie());
    }

    private static byte[] all() {
        List<ByteBuffer> parts = new ArrayList<>();
        requests().forEach(r -> parts.add(r.encode()));
        queries().forEach(q -> parts.add(q.encode()));
        replies().forEach(r -> parts.add(r.encode()));
        rows().forEach(r -> parts.add(ByteBuffer.wrap(r)));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (ByteBuffer part : parts) {
            out.writeBytes(
                    ByteBuffer.allocate(4 + part.remaining())
                            .putInt(part.remaining())
                            .put(part)
                            .array());
        }
        return out.toByteArray();
    }

    /// `-Dcistern.golden=DIRECTORY` writes the file where it is missing.
    private static byte[] golden(byte[] now) throws IOException {
        String name = "file-system-v1.bin";
        try (InputStream in = EngineFormatTest.class.getResourceAsStream(name)) {
            if (in != null) {
                return in.readAllBytes();
            }
        }
        String directory = System.getProperty("cistern.golden");
        if (directory == null) {
            throw new AssertionError("golden file " + name + " is missing");
        }
        Files.createDirectories(Path.of(directory));
        Files.write(Path.of(directory, name), now);
        return now;
    }

    /// Came after the golden file.
    @Test
    void theQueryForARememberedResultIsReadAsItIsWritten() {
        FileQuery query = new FileQuery.Once(Credentials.ROOT, new OnceId(1L << 40, 2, -3, 4));
        ByteBuffer bytes = query.encode();
        byte[] tail = new byte[20];
        bytes.duplicate().position(bytes.limit() - 20).get(tail);
        assertThat(bytes.get(1)).isEqualTo((byte) 14);
        assertThat(tail)
                .isEqualTo(
                        ByteBuffer.allocate(20)
                                .putLong(1L << 40)
                                .putInt(2)
                                .putInt(-3)
                                .putInt(4)
                                .array());
        assertThat(FileQuery.decode(bytes)).isEqualTo(query);
    }

    @Test
    void theCommittedBytesAreReadAndWrittenAgain() throws IOException {
        byte[] golden = golden(all());
        assertThat(all()).isEqualTo(golden);
        ByteBuffer in = ByteBuffer.wrap(golden);
        for (FileRequest expected : requests()) {
            assertThat(FileRequest.decode(next(in))).isEqualTo(expected);
        }
        for (FileQuery expected : queries()) {
            assertThat(FileQuery.decode(next(in))).isEqualTo(expected);
        }
        for (Reply expected : replies()) {
            assertThat(Reply.decode(next(in))).isEqualTo(expected);
        }
        for (int i = 0; i < 2; i++) {
            byte[] row = array(next(in));
            assertThat(Inode.decode(i == 0 ? 5 : 1, row).encode()).isEqualTo(row);
        }
        byte[] share = array(next(in));
        assertThat(ShareRecord.decode(share).encode()).isEqualTo(share);
        byte[] state = array(next(in));
        assertThat(StateRecord.decode(state).encode()).isEqualTo(state);
        assertThat(Dirent.byName(NAME, array(next(in)))).isEqualTo(new Dirent(NAME, 5, 6, 7));
        assertThat(Dirent.byCookie(7, array(next(in)))).isEqualTo(new Dirent(NAME, 5, 6, 7));
        assertThat(in.hasRemaining()).isFalse();
    }

    private static ByteBuffer next(ByteBuffer in) {
        int length = in.getInt();
        ByteBuffer part = in.slice(in.position(), length);
        in.position(in.position() + length);
        return part;
    }

    private static byte[] array(ByteBuffer part) {
        byte[] bytes = new byte[part.remaining()];
        part.get(bytes);
        return bytes;
    }

    /// Cut anywhere, or with a byte changed, a message is refused or is another message.
    @Property(tries = 300)
    void brokenMessagesAreRefused(@ForAll int which, @ForAll int at, @ForAll byte changed) {
        List<ByteBuffer> all = new ArrayList<>();
        requests().forEach(r -> all.add(r.encode()));
        queries().forEach(q -> all.add(q.encode()));
        int index = Math.floorMod(which, all.size());
        ByteBuffer whole = all.get(index);
        boolean request = index < requests().size();
        int cut = Math.floorMod(at, whole.remaining());
        assertThatThrownBy(() -> decode(request, whole.slice(0, cut)))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID));
        byte[] other = array(whole.duplicate());
        other[cut] = changed;
        try {
            decode(request, ByteBuffer.wrap(other));
        } catch (CisternException e) {
            assertThat(e.code()).isEqualTo(ErrorCode.INVALID);
        }
    }

    private static Object decode(boolean request, ByteBuffer bytes) {
        return request ? FileRequest.decode(bytes) : FileQuery.decode(bytes);
    }

    /// Extents follow one another without gap or overlap, and the classes' parts of the data space
    /// do not meet.
    @Test
    void everyOffsetIsInOneExtent() {
        long end = 0;
        for (long i = 0; i < 200; i++) {
            assertThat(Extents.start(i)).isEqualTo(end);
            long length = Extents.length(Extents.classOf(i));
            assertThat(Extents.index(end)).isEqualTo(i);
            assertThat(Extents.index(end + length - 1)).isEqualTo(i);
            end += length;
        }
        long last = Extents.index(FileSystem.MAX_FILE_BYTES - 1);
        assertThat(Extents.start(last)).isPositive();
        long top = ((long) Extents.TOP_CLASS << 42 | (1L << 42) - 1) << Extents.GRANULE_SHIFT;
        assertThat(top).isPositive();
    }
}
