package io.cistern.chaos;

import java.io.IOException;
import java.nio.ByteBuffer;

/// A connection over which bytes are read and written, with one request at a time.
interface Blocks extends AutoCloseable {
    /// Whatever lies behind: says how to reach it now.
    interface Way {
        Blocks connect() throws IOException;
    }

    /// Sends a request and waits for its answer.
    ///
    /// @param type of [Nbd]'s requests
    /// @param data of a write what is written, of a read where it goes, else empty
    /// @return 0, or the error
    /// @throws IOException there is no answer: the request was carried out or not
    int ask(int type, long offset, int length, ByteBuffer data) throws IOException;

    /// Asks for zeroes in place of every trim: `of` may ignore trims, or parts of them.
    static Blocks withoutTrims(Blocks of) {
        return new Blocks() {
            @Override
            public int ask(int type, long offset, int length, ByteBuffer data) throws IOException {
                return of.ask(type == Nbd.TRIM ? Nbd.WRITE_ZEROES : type, offset, length, data);
            }

            @Override
            public void close() throws IOException {
                of.close();
            }
        };
    }

    @Override
    void close() throws IOException;
}
