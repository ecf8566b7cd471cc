package io.cistern.storage;

import java.nio.ByteBuffer;
import java.util.LinkedHashSet;
import java.util.Set;

/// Which attachments of a volume have ended lately, by the nonces of their requests, the oldest
/// first. A request that was sent again, and arrives after its attachment has ended, must not be
/// carried out a second time: it would end the attachment of who has come after.
///
/// One that is forgotten has ended at least [#MOST] changes of the volume ago, since each end is
/// one: so a request that names a younger version of the volume cannot be its own, see
/// [Command.Attach#since].
///
/// ```
/// ended := count:u8 (1 to 64) nonce:u128[count]
/// ```
final class EndedAttachments {
    /// Most that are remembered.
    static final int MOST = 64;

    private record Nonce(long high, long low) {}

    private final Set<Nonce> nonces = new LinkedHashSet<>();

    boolean contains(long high, long low) {
        return nonces.contains(new Nonce(high, low));
    }

    /// Remembers one, and forgets the oldest where there are too many.
    void add(long high, long low) {
        Nonce nonce = new Nonce(high, low);
        nonces.remove(nonce);
        nonces.add(nonce);
        if (nonces.size() > MOST) {
            nonces.remove(nonces.iterator().next());
        }
    }

    boolean isEmpty() {
        return nonces.isEmpty();
    }

    /// What [#put] takes.
    int bytes() {
        return 1 + 16 * nonces.size();
    }

    void put(ByteBuffer out) {
        out.put((byte) nonces.size());
        nonces.forEach(nonce -> out.putLong(nonce.high).putLong(nonce.low));
    }

    void read(Bytes in) {
        int count = in.u8();
        if (count < 1 || count > MOST) {
            throw in.bad(count + " ended attachments");
        }
        for (int i = 0; i < count; i++) {
            add(in.i64(), in.i64());
        }
        if (nonces.size() != count) {
            throw in.bad("an ended attachment twice");
        }
    }
}
