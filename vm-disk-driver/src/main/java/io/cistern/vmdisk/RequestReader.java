package io.cistern.vmdisk;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// Reads requests from a stream: several from one system call where the client has sent several,
/// and large payloads straight to where they belong. For one thread.
final class RequestReader {
    /// Where bytes come from.
    interface Source {
        /// Waits for bytes and puts up to `length` of them at index `at`.
        ///
        /// @return how many; 0 at the end of the stream
        int receive(PooledBuffer into, int at, int length) throws IOException;
    }

    private final Source source;
    private final PooledBuffer buffer;
    private final ByteBuffer bytes;
    private final Runnable beforeWait;
    private int position;
    private int limit;

    /// @param buffer this reader's own
    /// @param buffered bytes already in it, from index 0
    /// @param beforeWait called before each wait for bytes, to send what is ready
    RequestReader(Source source, PooledBuffer buffer, int buffered, Runnable beforeWait) {
        this.source = source;
        this.buffer = buffer;
        this.bytes = buffer.bytes();
        this.limit = buffered;
        this.beforeWait = beforeWait;
    }

    /// The next request's header; null at the end of the stream.
    ///
    /// @throws NbdException where the stream ends within a header or is out of step
    @Nullable RequestHeader next() throws IOException {
        while (limit - position < NbdProtocol.REQUEST_BYTES) {
            if (buffer.capacity() - position < NbdProtocol.REQUEST_BYTES || position == limit) {
                bytes.put(0, bytes, position, limit - position);
                limit -= position;
                position = 0;
            }
            beforeWait.run();
            int n = source.receive(buffer, limit, buffer.capacity() - limit);
            if (n == 0) {
                if (limit > position) {
                    throw new NbdException("the client left within a request");
                }
                return null;
            }
            limit += n;
        }
        RequestHeader header = RequestHeader.decode(bytes, position);
        position += NbdProtocol.REQUEST_BYTES;
        return header;
    }

    /// Moves the request's payload, `length` bytes, behind the headroom of `into`.
    ///
    /// @throws NbdException where the stream ends before
    void payload(PooledBuffer into, int length) throws IOException {
        int at = PooledBuffer.HEADROOM;
        int end = at + length;
        int n = Math.min(length, limit - position);
        into.bytes().put(at, bytes, position, n);
        position += n;
        at += n;
        while (at < end) {
            beforeWait.run();
            at += some(source.receive(into, at, end - at));
        }
    }

    /// Passes over `length` bytes of payload.
    void skip(long length) throws IOException {
        long left = length;
        while (true) {
            int n = (int) Math.min(left, limit - position);
            position += n;
            left -= n;
            if (left == 0) {
                return;
            }
            beforeWait.run();
            position = 0;
            limit = 0;
            limit = some(source.receive(buffer, 0, buffer.capacity()));
        }
    }

    private static int some(int received) throws NbdException {
        if (received == 0) {
            throw new NbdException("the client left within a payload");
        }
        return received;
    }
}
