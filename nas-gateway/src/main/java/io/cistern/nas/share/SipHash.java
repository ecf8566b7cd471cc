package io.cistern.nas.share;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// SipHash-2-4, a keyed hash of short messages (Aumasson and Bernstein, 2012).
final class SipHash {
    private final long key0;
    private final long key1;

    /// @param key 16 bytes
    SipHash(byte[] key) {
        if (key.length != 16) {
            throw new IllegalArgumentException("the key has " + key.length + " bytes, not 16");
        }
        ByteBuffer k = ByteBuffer.wrap(key).order(ByteOrder.LITTLE_ENDIAN);
        this.key0 = k.getLong();
        this.key1 = k.getLong();
    }

    private static final class State {
        private long v0;
        private long v1;
        private long v2;
        private long v3;

        private void round() {
            v0 += v1;
            v1 = Long.rotateLeft(v1, 13) ^ v0;
            v0 = Long.rotateLeft(v0, 32);
            v2 += v3;
            v3 = Long.rotateLeft(v3, 16) ^ v2;
            v0 += v3;
            v3 = Long.rotateLeft(v3, 21) ^ v0;
            v2 += v1;
            v1 = Long.rotateLeft(v1, 17) ^ v2;
            v2 = Long.rotateLeft(v2, 32);
        }

        private void absorb(long word) {
            v3 ^= word;
            round();
            round();
            v0 ^= word;
        }
    }

    long hash(byte[] bytes, int length) {
        State s = new State();
        s.v0 = key0 ^ 0x736f6d6570736575L;
        s.v1 = key1 ^ 0x646f72616e646f6dL;
        s.v2 = key0 ^ 0x6c7967656e657261L;
        s.v3 = key1 ^ 0x7465646279746573L;
        ByteBuffer in = ByteBuffer.wrap(bytes, 0, length).order(ByteOrder.LITTLE_ENDIAN);
        while (in.remaining() >= 8) {
            s.absorb(in.getLong());
        }
        long last = (long) length << 56;
        for (int shift = 0; in.hasRemaining(); shift += 8) {
            last |= (in.get() & 0xffL) << shift;
        }
        s.absorb(last);
        s.v2 ^= 0xff;
        for (int i = 0; i < 4; i++) {
            s.round();
        }
        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    }
}
