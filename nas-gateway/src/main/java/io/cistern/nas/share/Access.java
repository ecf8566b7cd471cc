package io.cistern.nas.share;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Data;
import io.cistern.block.fs.FileResults.Written;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// A file of a share together with what the caller may do there.
///
/// @param who after root squash
public record Access(OpenShare share, FileId file, Credentials who, boolean readOnly) {
    public FileSystem files() {
        return share.files();
    }

    /// @throws NfsException ROFS
    public Access forChange() {
        if (readOnly) {
            throw new NfsException(NfsStatus.ROFS, "read only for this client");
        }
        return this;
    }

    /// Device files are the superuser's to make, as in mknod(2): whoever opens one reaches the
    /// device of the machine that has the share mounted.
    ///
    /// @throws NfsException PERM
    public void checkMayMake(FileType type) {
        boolean device = type == FileType.BLOCK_DEVICE || type == FileType.CHARACTER_DEVICE;
        if (device && !who.superuser()) {
            throw new NfsException(NfsStatus.PERM, "only the superuser makes device files");
        }
    }

    /// What was read. Its bytes belong to the receiver.
    ///
    /// @param file attributes not older than the bytes
    public record Bytes(ByteBuf data, boolean end, Attributes file) {}

    /// Reads, where the bytes are at hand without a copy.
    ///
    /// @param offset not negative
    /// @param length at most [FileSystem#MAX_IO_BYTES]
    public Bytes read(long offset, int length, ByteBufAllocator allocator) {
        CompletableFuture<Data> read;
        ByteBuf buffer = allocator.directBuffer(length);
        try {
            ByteBuffer into = buffer.nioBuffer(0, length);
            read = files().read(who, file, offset, into);
            if (read.isDone() && await(read).bytes() == into) {
                buffer.writerIndex(into.remaining());
                // The rest of the buffer would be held until the bytes are sent.
                boolean spare = into.remaining() < length / 2;
                return bytes(spare ? buffer.copy() : buffer.retain(), await(read));
            }
        } finally {
            buffer.release(); // not held while others are waited for
        }
        return bytes(Unpooled.wrappedBuffer(await(read).bytes()), await(read));
    }

    private static Bytes bytes(ByteBuf data, Data found) {
        return new Bytes(data, found.end(), found.file());
    }

    /// Writes, and waits until it is on stable storage.
    ///
    /// @param offset not negative
    public Written write(long offset, ByteBuffer data) {
        return await(files().write(Call.of(who), file, offset, data));
    }

    public Access at(FileId other) {
        return new Access(share, other, who, readOnly);
    }

    public Access asOpened() {
        return new Access(share, file, who.asOpened(), readOnly);
    }
}
