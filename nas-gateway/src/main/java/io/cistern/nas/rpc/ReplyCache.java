package io.cistern.nas.rpc;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import java.net.InetAddress;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Remembers the results of the last calls that may not be carried out twice, so that a client that
/// sends a call again, perhaps over a new connection, gets the first result.
///
/// A call is known by its client's address, xid, procedure and a checksum of its first bytes. Any
/// thread.
public final class ReplyCache {
    private static final int CHECKED_BYTES = 512;
    private static final int MAX_RESULT_BYTES = 1_024;

    private final int maxEntries;

    // Guarded by itself; oldest first.
    private final LinkedHashMap<Key, CompletableFuture<byte[]>> entries = new LinkedHashMap<>();

    /// @param checksum covers the xid, the procedure and the arguments' first bytes
    public record Key(InetAddress client, int xid, int program, int procedure, int checksum) {
        public static Key of(RpcCall call) {
            CRC32C crc = new CRC32C();
            int head = call.xid() * 31 + call.procedure();
            crc.update(head >>> 24);
            crc.update(head >>> 16);
            crc.update(head >>> 8);
            crc.update(head);
            ByteBuf args = call.record();
            int length = Math.min(CHECKED_BYTES, args.readableBytes());
            crc.update(ByteBufUtil.getBytes(args, args.readerIndex(), length, false));
            crc.update(args.readableBytes() & 0xff);
            return new Key(
                    call.peer().host(),
                    call.xid(),
                    call.program(),
                    call.procedure(),
                    (int) crc.getValue());
        }
    }

    public ReplyCache(int maxEntries) {
        this.maxEntries = maxEntries;
    }

    /// Claims a call.
    ///
    /// @return null: the caller carries it out and then calls [#finish] or [#abandon]; else the
    ///   first one's result, perhaps still to come
    public @Nullable CompletableFuture<byte[]> begin(Key key) {
        synchronized (entries) {
            CompletableFuture<byte[]> known = entries.get(key);
            if (known != null) {
                return known;
            }
            entries.put(key, new CompletableFuture<>());
            if (entries.size() > maxEntries) {
                dropOldest();
            }
            return null;
        }
    }

    private void dropOldest() {
        for (Map.Entry<Key, CompletableFuture<byte[]>> entry : entries.entrySet()) {
            if (entry.getValue().isDone()) {
                entries.remove(entry.getKey());
                return;
            }
        }
    }

    public void finish(Key key, byte[] result) {
        CompletableFuture<byte[]> claimed;
        synchronized (entries) {
            claimed = result.length > MAX_RESULT_BYTES ? entries.remove(key) : entries.get(key);
        }
        if (claimed != null) {
            claimed.complete(result);
        }
    }

    /// The call ended without a result that a repetition may be told.
    public void abandon(Key key) {
        CompletableFuture<byte[]> claimed;
        synchronized (entries) {
            claimed = entries.remove(key);
        }
        if (claimed != null) {
            claimed.cancel(false);
        }
    }

    public int size() {
        synchronized (entries) {
            return entries.size();
        }
    }
}
