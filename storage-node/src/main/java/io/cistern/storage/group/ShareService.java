package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.Queries;
import io.cistern.block.fs.engine.Reply;
import io.cistern.storage.Origin;
import io.cistern.storage.Outcome;
import io.cistern.storage.Usage;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup.FileReceipt;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import io.cistern.storage.group.VolumeGroup.Receipt;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// Shares of one replica: answers queries, and takes changes while it leads.
final class ShareService {
    private final ReplicaParts parts;
    private final ReadPath reads;
    private final WritePath writes;
    private final SpaceGuard space;
    private final FileLocks locks = new FileLocks();

    ShareService(ReplicaParts parts, ReadPath reads, WritePath writes, SpaceGuard space) {
        this.parts = parts;
        this.reads = reads;
        this.writes = writes;
        this.space = space;
    }

    ReplicaParts parts() {
        return parts;
    }

    ReadPath reads() {
        return reads;
    }

    WritePath writes() {
        return writes;
    }

    SpaceGuard space() {
        return space;
    }

    FileLocks locks() {
        return locks;
    }

    /// @param request an encoded [FileRequest]; copied
    /// @param data of a write, else empty; not read after the future completes
    CompletableFuture<FileReceipt> change(
            long volume, Origin origin, ByteBuffer request, ByteBuffer data) {
        parts.leadingTerm();
        Pieces.check(origin);
        parts.volume(volume);
        ByteBuffer copy = ByteBuffer.allocate(request.remaining());
        copy.put(request.duplicate()).flip();
        FileOp op = FileRequest.decode(copy).op();
        if (op instanceof FileOp.Write w
                && (data.remaining() != w.length() || w.length() > FileSystem.MAX_IO_BYTES)) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    data.remaining() + " bytes came with a write of " + w.length());
        }
        Origin numbered = Pieces.origin(origin, 0);
        Outcome first = parts.store().executed(volume, numbered);
        if (first != null && first.reply() != null) {
            return CompletableFuture.completedFuture(
                    receipt(volume, parts.machine().visibleIndex(), first));
        }
        Instant now = parts.node().clock().instant();
        FileRequest.stamp(copy, now.getEpochSecond() * 1_000_000_000L + now.getNano());
        return new ShareChange(this, volume, numbered, op, copy, data).begin();
    }

    FileReceipt receipt(long volume, long index, Outcome outcome) {
        ByteBuffer reply = outcome.reply();
        if (reply == null) {
            throw new CisternException(
                    ErrorCode.INTERNAL, "a change of share " + volume + " has no reply");
        }
        VolumeState state = parts.store().volume(volume);
        return new FileReceipt(index, state == null ? 0 : state.version(), reply.duplicate());
    }

    /// @param query an encoded [FileQuery]
    CompletableFuture<FileReceipt> query(ReadRequest request, ByteBuffer query) {
        FileQuery decoded = FileQuery.decode(query);
        return reads.serve(
                request,
                () -> {
                    AtomicReference<Reply> reply = new AtomicReference<>();
                    Receipt receipt =
                            reads.onView(
                                    request,
                                    0,
                                    0,
                                    view ->
                                            reply.set(
                                                    new Queries(
                                                                    parts.store()
                                                                            .share(
                                                                                    request
                                                                                            .volume()))
                                                            .answer(decoded)));
                    Reply answer = Objects.requireNonNull(reply.get());
                    if (decoded instanceof FileQuery.Space && answer.error() == null) {
                        answer = withPool(answer);
                    }
                    return new FileReceipt(receipt.index(), receipt.version(), answer.encode());
                });
    }

    /// See [VolumeGroup#tryQuery].
    @Nullable Reply tryQuery(ReadRequest request, FileQuery query, @Nullable ByteBuffer into) {
        if (query instanceof FileQuery.Space) {
            return null; // asks the file system below, too
        }
        return reads.tryServe(
                request,
                () ->
                        new Queries(parts.store().share(request.volume()).atOnce())
                                .answer(query, into));
    }

    private Reply withPool(Reply answer) {
        Usage usage = parts.store().usage();
        long free = Math.min(usage.freeBytes(), space.available(usage.usedBytes()));
        return answer.append(usage.diskBytes(), Math.max(0, free));
    }
}
