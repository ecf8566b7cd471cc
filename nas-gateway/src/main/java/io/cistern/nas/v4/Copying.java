package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileError;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileResults.Copied;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.SetAttributes;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;

/// A copy from the saved to the current file. The bytes go no further than this node; holes of the
/// source become holes.
record Copying(Access source, Access target) {
    /// Parts of [FileSystem#MAX_IO_BYTES] under way at a time.
    private static final int PARTS = 4;

    /// @throws NfsException also where the stateids do not allow it
    static Copying prepare(Compound c, StateId from, StateId to) {
        Access current = c.access(NfsStatus.ISDIR).forChange();
        Access saved = c.savedAccess(current);
        boolean opened =
                c.state().checkIo(c.savedState(from), c.client(), Compound.key(saved), false);
        Access target = c.io(current, to, true);
        if (!target.who().opened()) {
            target.write(0, ByteBuffer.allocate(0)); // the right to
        }
        if (!opened) {
            await(saved.files().read(saved.who(), saved.file(), 0, 0)); // the right to
        }
        return new Copying(saved, target);
    }

    /// @param count 0: to the end of the source
    /// @return how much was copied
    long run(long fromOffset, long toOffset, long count, long most) {
        if (fromOffset < 0 || count < 0 || fromOffset + count < 0) {
            throw new NfsException(NfsStatus.INVAL, "beyond the end of the source");
        }
        Wire4.checkExtent(toOffset, count);
        Attributes now = await(source.files().attributes(source.file()));
        Types.requireRegular(now.type());
        if (fromOffset > now.size() || (count > 0 && fromOffset + count > now.size())) {
            throw new NfsException(NfsStatus.INVAL, "beyond the end of the source");
        }
        long wanted = Math.min(count == 0 ? now.size() - fromOffset : count, most);
        boolean same = source.file().equals(target.file());
        if (same
                && fromOffset < toOffset + wanted
                && toOffset < fromOffset + wanted
                && wanted > 0) {
            throw new NfsException(NfsStatus.INVAL, "the ranges overlap");
        }
        long done = 0;
        while (done < wanted) {
            long copied = stretch(fromOffset + done, toOffset + done, wanted - done);
            if (copied == 0) {
                break;
            }
            done += copied;
        }
        return done;
    }

    /// Copies what there is at an offset, a hole or data, as far as it goes. 0: at the end of the
    /// source, which may have been shortened.
    private long stretch(long fromOffset, long toOffset, long most) {
        long size = await(source.files().attributes(source.file())).size();
        long end = Math.min(fromOffset + most, size);
        if (end <= fromOffset) {
            return 0;
        }
        long data = Math.min(seek(fromOffset, true, end), end);
        if (data > fromOffset) {
            return hole(toOffset, data - fromOffset);
        }
        long hole = Math.min(seek(fromOffset, false, end), end);
        return data(fromOffset, toOffset, hole - fromOffset);
    }

    /// @param none the answer where there is none
    private long seek(long from, boolean data, long none) {
        try {
            return await(source.files().seek(source.who().asOpened(), source.file(), from, data));
        } catch (FileException e) {
            if (e.error() == FileError.NO_DATA) {
                return none;
            }
            throw e;
        }
    }

    private Call call() {
        return Call.of(target.who().asOpened());
    }

    /// Makes a range of the target read as zeroes, without taking room for it.
    private long hole(long toOffset, long length) {
        await(target.files().deallocate(call(), target.file(), toOffset, length));
        lengthen(toOffset + length);
        return length;
    }

    private void lengthen(long size) {
        Attributes now = await(target.files().attributes(target.file()));
        while (now.size() < size) {
            try {
                SetAttributes set = SetAttributes.ofSize(size);
                await(target.files().setAttributes(call(), target.file(), set, now.ctimeNanos()));
                return;
            } catch (FileException e) {
                if (e.error() != FileError.CHANGED) {
                    throw e;
                }
                now = await(target.files().attributes(target.file())); // it may be longer now
            }
        }
    }

    /// Copies, several parts at a time: each waits for the disks of a majority.
    ///
    /// @return how much there is from the beginning on without a gap
    private long data(long fromOffset, long toOffset, long length) {
        ArrayDeque<CompletableFuture<Copied>> parts = new ArrayDeque<>();
        long begun = 0;
        long done = 0;
        while (begun < length || !parts.isEmpty()) {
            while (begun < length && parts.size() < PARTS) {
                parts.add(
                        target.files()
                                .copy(
                                        call(),
                                        source.file(),
                                        fromOffset + begun,
                                        target.file(),
                                        toOffset + begun,
                                        Math.min(length - begun, FileSystem.MAX_IO_BYTES)));
                begun += FileSystem.MAX_IO_BYTES;
            }
            long expected = Math.min(length - done, FileSystem.MAX_IO_BYTES);
            long copied = 0;
            try {
                copied = await(parts.remove()).count();
            } finally {
                if (copied < expected) { // it failed, or the source was shortened
                    parts.forEach(p -> p.handle((count, failed) -> true).join());
                }
            }
            done += copied;
            if (copied < expected) {
                break;
            }
        }
        return done;
    }
}
