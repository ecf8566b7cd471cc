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

/// A copy from the saved to the current file. The bytes go no further than this node; large holes
/// of the source become holes.
record Copying(Access source, Access target) {
    /// Parts of [FileSystem#MAX_IO_BYTES] under way at a time.
    private static final int PARTS = 4;

    /// Shorter holes are copied as data: a hole costs an entry of its own, in which as much data
    /// goes along.
    private static final long MIN_HOLE_BYTES = 256 << 10;

    static final int BLOCK_BYTES = 4_096;

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
        boolean endsWithHole = false;
        while (done < wanted) {
            Stretch next = stretch(fromOffset + done, wanted - done);
            long copied =
                    next.hole
                            ? hole(toOffset + done, next.length)
                            : data(fromOffset + done, toOffset + done, next.length);
            if (copied == 0) {
                break;
            }
            done += copied;
            endsWithHole = next.hole;
        }
        if (endsWithHole) {
            lengthen(toOffset + done);
        }
        return done;
    }

    /// A part of the source that is copied in one way: a hole of [#MIN_HOLE_BYTES] at least, or
    /// what lies between two of them.
    private record Stretch(boolean hole, long length) {}

    /// What there is at an offset. Of length 0 only at the end of the source, which may have been
    /// shortened.
    private Stretch stretch(long from, long most) {
        long size = await(source.files().attributes(source.file())).size();
        long end = Math.min(from + most, size);
        if (end <= from) {
            return new Stretch(false, 0);
        }
        long data = Math.min(seek(from, true, end), end);
        if (data - from >= MIN_HOLE_BYTES) {
            return new Stretch(true, data - from);
        }
        // Others may punch holes between two looks: something is copied anyway.
        long to = Math.max(data, Math.min(end, from + BLOCK_BYTES));
        while (to < end) {
            long hole = Math.min(seek(to, false, end), end);
            long next = hole == end ? end : Math.min(seek(hole, true, end), end);
            if (next - hole >= MIN_HOLE_BYTES) {
                return new Stretch(false, hole - from);
            }
            to = Math.max(next, Math.min(end, to + BLOCK_BYTES));
        }
        return new Stretch(false, end - from);
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

    /// Makes a range of the target read as zeroes, without taking room for it. What is behind the
    /// target's end does so anyway.
    private long hole(long toOffset, long length) {
        long there = await(target.files().attributes(target.file())).size() - toOffset;
        if (there > 0) {
            long zeroed = Math.min(length, there);
            await(target.files().deallocate(call(), target.file(), toOffset, zeroed));
        }
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

    /// Copies, several parts at a time: each waits for the disks of a majority. Where one fails,
    /// those behind it may have been copied, so that the target has a gap; the whole copy fails
    /// then.
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
