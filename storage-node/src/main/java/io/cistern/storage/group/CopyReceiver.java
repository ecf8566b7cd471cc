package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.LogPosition;
import io.cistern.storage.ExportPage;
import io.cistern.storage.FilePage;
import io.cistern.storage.RowExport;
import io.cistern.storage.RowKey;
import io.cistern.storage.Store;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The receiving side of a copy: makes this replica's store that of another one, without sending
/// again what is here already.
///
/// The sender's map is gone through in order, page by page. A page holds the contents of the rows
/// that changed since this replica's last entry, and only names the others with a digest; what
/// differs nevertheless, or is missing, is asked for by name, and what is here and not named is
/// dropped. A copy that was interrupted begins again from the first page, and finds what had
/// arrived by the digests.
///
/// Memory is bounded by a page and a batch of rows; every block's checksum is verified on arrival.
final class CopyReceiver {
    private static final Logger log = LoggerFactory.getLogger(CopyReceiver.class);

    /// Largest table accepted.
    private static final long MAX_TABLE_BYTES = 1L << 30;

    /// What has arrived is made durable after this much of it or this long, so that a copy that is
    /// interrupted goes on from about there.
    private static final long DURABLE_BYTES = 64L << 20;

    private static final long DURABLE_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final GroupId group;
    private final Store store;
    private final NodeParts node;
    private final LongAdder copiedBytes = new LongAdder();
    private volatile ReplicaStatus.@Nullable Progress progress;
    private volatile boolean stopped;

    CopyReceiver(GroupId group, Store store, NodeParts node) {
        this.group = group;
        this.store = store;
        this.node = node;
    }

    /// The copy under way, or null.
    ReplicaStatus.@Nullable Progress progress() {
        return progress;
    }

    /// Bytes of block data received since this replica opened.
    long copiedBytes() {
        return copiedBytes.sum();
    }

    /// Ends a copy under way at its next step.
    void stop() {
        stopped = true;
    }

    /// Copies from the replica on `source`. Blocks until the store is complete and durable.
    ///
    /// @param least the index that the source must stand at: what was applied here, or is missing
    ///   from the log, is not given up for something older
    /// @return the position from which to replay the log
    /// @throws CisternException STALE: the source is behind `least`; UNAVAILABLE and others. Where
    ///   the copy had begun the store is left as an interrupted one, else as it was
    LogPosition copy(String source, long least) {
        long startedMillis = node.clock().millis();
        long before = copiedBytes.sum();
        WireCopy.Opened opened =
                ask(
                        source,
                        Wire.COPY_OPEN,
                        new WireRequest.Plain(group)::encode,
                        WireCopy.Opened::decode);
        if (opened.position().index() < least) {
            close(source, opened);
            throw new CisternException(
                    ErrorCode.STALE,
                    "the replica on "
                            + source
                            + " stands at index "
                            + opened.position().index()
                            + ", before "
                            + least);
        }
        progress = ReplicaStatus.Progress.of(0, opened.usedBytes(), startedMillis, startedMillis);
        long changedSince = changedSince();
        log.info(
                "copying group {} from {}: {} bytes there, {}",
                group,
                source,
                opened.usedBytes(),
                changedSince < 0
                        ? "nothing here"
                        : changedSince == Long.MAX_VALUE
                                ? "going on with an interrupted copy"
                                : "sending what changed since index " + changedSince);
        try {
            store.importBegin();
            long newest = pages(new Stream(source, opened, startedMillis), changedSince);
            files(source, opened);
            ByteBuffer table = table(source, opened);
            LogPosition reached = store.importEnd(table, newest);
            log.info(
                    "copied group {} from {} in {} ms: {} bytes received, at {}",
                    group,
                    source,
                    node.clock().millis() - startedMillis,
                    copiedBytes.sum() - before,
                    reached);
            return reached;
        } finally {
            progress = null;
            close(source, opened);
        }
    }

    private void close(String source, WireCopy.Opened opened) {
        WireCopy.CloseRequest close = new WireCopy.CloseRequest(group, opened.session());
        node.peers().call(source, Wire.COPY_CLOSE, close::encode, in -> true);
    }

    private long changedSince() {
        if (store.importing()) {
            return Long.MAX_VALUE;
        }
        boolean empty = store.usage().usedBytes() == 0 && store.volumes().isEmpty();
        return empty ? -1 : store.applied().index();
    }

    private record Stream(String source, WireCopy.Opened opened, long startedMillis) {}

    /// Takes over all rows. While a page is stored here the next one is read there, and what has
    /// arrived is made durable beside both.
    ///
    /// @return the newest index the sender had applied when it read any of them
    private long pages(Stream stream, long changedSince) {
        long newest = stream.opened.position().index();
        long seen = 0;
        Durability durability = new Durability();
        CompletableFuture<ExportPage> next = ask(stream, null, changedSince);
        // Rows fetched by name may show newer entries than a page that was asked for before. So the
        // last page tells how far the sender is only if nothing was fetched since it was asked for.
        boolean fetchedSince = false;
        while (true) {
            checkStopped();
            long beganNanos = node.threads().nanoTime();
            ExportPage page = node.threads().await(next);
            boolean last = page.end() && !fetchedSince;
            fetchedSince = false;
            if (!page.end()) {
                next = ask(stream, page.last(), changedSince);
            }
            long received = received(page.rows());
            List<RowKey> missing = store.importPage(page);
            copiedBytes.add(received);
            throttle(received, beganNanos);
            rows(stream, missing);
            newest = Math.max(newest, page.appliedIndex());
            for (RowExport row : page.rows()) {
                seen += WireCopy.heldBytes(row);
            }
            progress =
                    ReplicaStatus.Progress.of(
                            seen,
                            Math.max(seen, stream.opened.usedBytes()),
                            stream.startedMillis,
                            node.clock().millis());
            if (last && missing.isEmpty()) {
                return newest;
            }
            if (page.end()) {
                // What follows it, to learn how far the sender is now.
                next = ask(stream, end(page), changedSince);
            } else {
                fetchedSince = !missing.isEmpty();
            }
            durability.step();
        }
    }

    private CompletableFuture<ExportPage> ask(
            Stream stream, @Nullable RowKey after, long changedSince) {
        WireCopy.PageRequest request =
                new WireCopy.PageRequest(group, stream.opened.session(), after, changedSince);
        return node.peers().call(stream.source, Wire.COPY_PAGE, request::encode, WireCopy::page);
    }

    /// The last row of a page that is the last one, or where it began if it has none.
    private static @Nullable RowKey end(ExportPage page) {
        return page.rows().isEmpty() ? page.after() : page.rows().getLast().key();
    }

    /// Has what has arrived made durable now and then, beside the copy: by one checkpoint at a
    /// time, so that a disk that cannot keep up slows the copy.
    private final class Durability {
        private long bytes = copiedBytes.sum();
        private long nanos = node.threads().nanoTime();
        private CompletableFuture<LogPosition> running =
                CompletableFuture.completedFuture(LogPosition.START);

        void step() {
            long fresh = copiedBytes.sum() - bytes;
            long now = node.threads().nanoTime();
            if (fresh >= DURABLE_BYTES || (fresh > 0 && now - nanos >= DURABLE_NANOS)) {
                node.threads().await(running);
                running = store.checkpoint();
                bytes += fresh;
                nanos = now;
            }
        }
    }

    /// Takes over the rows of shares: of each stretch the digest first, and the rows where they are
    /// others than here.
    private void files(String source, WireCopy.Opened opened) {
        byte[] after = null;
        long received = 0;
        while (true) {
            checkStopped();
            long beganNanos = node.threads().nanoTime();
            FilePage page = files(source, opened, after, false);
            if (store.importFiles(page)) {
                FilePage whole = files(source, opened, after, true);
                store.importFiles(whole);
                long bytes = bytes(whole);
                received += bytes;
                throttle(bytes, beganNanos);
            }
            if (page.end()) {
                log.info("copied {} bytes of shares' rows of group {}", received, group);
                return;
            }
            after = page.last();
        }
    }

    private FilePage files(
            String source, WireCopy.Opened opened, byte @Nullable [] after, boolean contents) {
        WireCopy.FilesRequest request =
                new WireCopy.FilesRequest(group, opened.session(), after, contents);
        return ask(source, Wire.COPY_FILES, request::encode, WireCopy::files);
    }

    private static long bytes(FilePage page) {
        List<FilePage.FileRow> rows = page.rows();
        long bytes = 0;
        if (rows != null) {
            for (FilePage.FileRow row : rows) {
                bytes += row.key().length + row.value().length;
            }
        }
        return bytes;
    }

    /// Fetches rows that a page only named. A page names many: each request is throttled.
    private void rows(Stream stream, List<RowKey> missing) {
        for (int from = 0; from < missing.size(); from += WireCopy.MAX_ROWS) {
            checkStopped();
            long beganNanos = node.threads().nanoTime();
            List<RowKey> some =
                    missing.subList(from, Math.min(missing.size(), from + WireCopy.MAX_ROWS));
            WireCopy.RowsRequest request =
                    new WireCopy.RowsRequest(group, stream.opened.session(), some);
            List<RowExport> rows =
                    ask(stream.source, Wire.COPY_ROWS, request::encode, WireCopy::rows);
            store.importRows(rows);
            long received = received(rows);
            copiedBytes.add(received);
            throttle(received, beganNanos);
        }
    }

    private static long received(List<RowExport> rows) {
        long bytes = 0;
        for (RowExport row : rows) {
            bytes += WireCopy.dataBytes(row);
        }
        return bytes;
    }

    private ByteBuffer table(String source, WireCopy.Opened opened) {
        if (opened.tableBytes() < 0 || opened.tableBytes() > MAX_TABLE_BYTES) {
            throw Wire.malformed("a table of " + opened.tableBytes() + " bytes");
        }
        ByteBuffer table = ByteBuffer.allocate((int) opened.tableBytes());
        while (table.hasRemaining()) {
            WireCopy.TableRequest request =
                    new WireCopy.TableRequest(group, opened.session(), table.position());
            byte[] part =
                    ask(
                            source,
                            Wire.COPY_TABLE,
                            request::encode,
                            in -> {
                                byte[] bytes = new byte[in.readableBytes()];
                                in.readBytes(bytes);
                                return bytes;
                            });
            if (part.length == 0 || part.length > table.remaining()) {
                throw Wire.malformed("a part of a table of " + part.length + " bytes");
            }
            table.put(part);
        }
        return table.flip();
    }

    private <T> T ask(
            String source, int opcode, Consumer<ByteBuf> request, Function<ByteBuf, T> form) {
        return node.ask(source, opcode, request, form);
    }

    private void checkStopped() {
        if (stopped) {
            throw new CisternException(
                    ErrorCode.UNAVAILABLE, "the copy of group " + group + " was stopped");
        }
    }

    private void throttle(long bytes, long beganNanos) {
        long limit = node.copyBytesPerSecond();
        if (limit <= 0) {
            return;
        }
        long due = bytes * TimeUnit.SECONDS.toNanos(1) / limit;
        long wait = due - (node.threads().nanoTime() - beganNanos);
        if (wait > 0 && !node.threads().sleep(wait)) {
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted: stopping");
        }
    }
}
