package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.block.fs.engine.EngineFileSystem;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.Reply;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// An open share: requests go the way a volume's do, through its [Device], so they find the leader,
/// are repeated under their number and take effect once.
///
/// The owner also sees to it that what deleted files leave behind is freed, a piece at a time.
final class ShareFileSystem extends EngineFileSystem {
    private static final Logger log = LoggerFactory.getLogger(ShareFileSystem.class);
    private static final ByteBuffer NO_DATA = ByteBuffer.allocate(0).asReadOnlyBuffer();
    private static final long LOOK_MILLIS = 2_000;
    private static final long PIECE_MILLIS = 20;

    /// Inodes that there may be: what statfs shows.
    private static final long MAX_FILES = 1L << 48;

    private final Device device;
    private final Client client;

    ShareFileSystem(Device device, Client client) {
        this.device = device;
        this.client = client;
    }

    /// Begins the work in the background.
    void start() {
        // Files of a clone, or of an owner that is gone, which nothing holds.
        cleanPiece();
    }

    @Override
    public long owner() {
        return device.attachment();
    }

    @Override
    public boolean readOnly() {
        return device.readOnly();
    }

    @Override
    protected CompletableFuture<Reply> change(FileRequest request, @Nullable ByteBuffer data) {
        return device.submit(
                new Requests.ShareChange(
                        device,
                        request.encode(),
                        data == null ? NO_DATA : data,
                        device.nanoTime()));
    }

    @Override
    protected CompletableFuture<Reply> ask(FileQuery query) {
        return device.submit(
                new Requests.ShareQuery(device, query.encode(), carried(query), device.nanoTime()));
    }

    @Override
    protected @Nullable Reply tryAsk(FileQuery query, @Nullable ByteBuffer into) {
        return device.tryQuery(query, carried(query), into);
    }

    private static int carried(FileQuery query) {
        return query instanceof FileQuery.Read read ? read.length() : 0;
    }

    @Override
    public CompletableFuture<Space> space() {
        return shareSpace()
                .thenApply(s -> {
                    long quota = s.get(0);
                    long used = s.get(1);
                    long poolFree = s.get(5);
                    long total = quota > 0 ? quota : used + poolFree;
                    long free = Math.clamp(total - used, 0, poolFree);
                    return new Space(total, free, s.get(2), MAX_FILES - s.get(2));
                });
    }

    // ---- cleaning

    private void look() {
        if (over()) {
            return;
        }
        shareSpace()
                .whenComplete((space, failed) -> {
                    if (failed == null && space.get(3) == 1) {
                        cleanPiece();
                    } else {
                        later(LOOK_MILLIS, this::look);
                    }
                });
    }

    private void cleanPiece() {
        if (over()) {
            return;
        }
        clean().whenComplete((more, failed) -> {
            if (failed != null) {
                log.debug(
                        "cleaning {}: {}", device.name(), CisternException.of(failed).getMessage());
            }
            boolean again = failed == null && more;
            later(again ? PIECE_MILLIS : LOOK_MILLIS, again ? this::cleanPiece : this::look);
        });
    }

    private boolean over() {
        return device.closed() || device.ended().isDone();
    }

    private void later(long millis, Runnable task) {
        client.after(millis, task);
    }

    @Override
    public void close() {
        device.close();
    }
}
