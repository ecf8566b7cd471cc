package io.cistern.storage.group;

import static io.cistern.block.BlockDevice.BLOCK_BYTES;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import io.cistern.storage.Origin;
import io.cistern.storage.Store;

/// How a request is cut into log commands, and how the commands are numbered.
///
/// A request covers the whole 4 KiB blocks it touches. From the first of them on, it is cut every
/// `stride` bytes; the last piece is what remains. The cut depends on the request alone, so whoever
/// leads when a request is sent again cuts it alike, and each piece takes effect exactly once by
/// its own number:
///
/// ```
/// number of piece k = seq << 20 | k          (Origin.seq in the log)
/// forget below      = doneBelow << 20        (Origin.doneBelow in the log)
/// ```
///
/// [#WRITE_BYTES] and [#ZERO_BYTES] are part of the node wire: nodes of one cluster must agree on
/// them.
final class Pieces {
    /// Bits of a command's number that say which piece of its request it is.
    static final int INDEX_BITS = 20;

    /// Most pieces of one request.
    static final int MAX_PIECES = 1 << INDEX_BITS;

    /// Largest number a client may give a request.
    static final long MAX_SEQ = (1L << (62 - INDEX_BITS)) - 1;

    /// A piece of a write: large enough that the log's cost per entry vanishes, small enough that a
    /// small write behind it waits little.
    static final int WRITE_BYTES = 512 << 10;

    /// A piece of a zero request; applying one frees up to 1,024 granules.
    static final long ZERO_BYTES = Store.MAX_ZERO_BYTES;

    private Pieces() {}

    /// The origin of piece `index` of a request from `request`.
    static Origin origin(Origin request, long index) {
        return new Origin(
                request.attachment(),
                request.seq() << INDEX_BITS | index,
                request.doneBelow() << INDEX_BITS,
                request.guard());
    }

    /// Checks a client's numbers.
    ///
    /// @throws CisternException INVALID
    static void check(Origin origin) {
        if (origin.seq() < 1
                || origin.seq() > MAX_SEQ
                || origin.doneBelow() < 0
                || origin.doneBelow() > origin.seq()) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "request number "
                            + origin.seq()
                            + " with all below "
                            + origin.doneBelow()
                            + " answered: numbers run from 1 to "
                            + MAX_SEQ);
        }
        if (origin.guard() < GuardedDevice.NO_GUARD) {
            throw new CisternException(
                    ErrorCode.INVALID, "a guard of " + origin.guard() + "; versions begin at 0");
        }
    }

    static boolean aligned(long offset) {
        return (offset & (BLOCK_BYTES - 1)) == 0;
    }

    static long alignDown(long offset) {
        return offset & -BLOCK_BYTES;
    }

    static long alignUp(long offset) {
        return alignDown(offset + BLOCK_BYTES - 1);
    }
}
