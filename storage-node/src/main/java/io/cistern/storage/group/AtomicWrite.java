package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import java.nio.ByteBuffer;

/// A change of a range as one step with respect to every other request from anywhere. Its receipt's
/// value is 0 where it took effect, and for COMPARE otherwise 1 more than the offset within the
/// range of the first byte that differs.
///
/// @param offset any alignment
/// @param expected for COMPARE what the range has to hold, as long as `data`; else empty
/// @param data at most [GuardedDevice#MAX_ATOMIC_BYTES]; its position is not changed
public record AtomicWrite(Kind kind, long offset, ByteBuffer expected, ByteBuffer data) {
    /// In the order of their numbers on the node wire.
    public enum Kind {
        /// Replaces.
        WRITE,
        /// Ors `data` into the range.
        OR,
        /// Replaces if the range holds `expected`.
        COMPARE
    }

    /// @throws CisternException INVALID
    public AtomicWrite {
        if (data.remaining() > GuardedDevice.MAX_ATOMIC_BYTES) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "an atomic change of "
                            + data.remaining()
                            + " bytes; at most "
                            + GuardedDevice.MAX_ATOMIC_BYTES);
        }
        if (expected.remaining() != (kind == Kind.COMPARE ? data.remaining() : 0)) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    expected.remaining()
                            + " bytes to compare with and "
                            + data.remaining()
                            + " to write");
        }
    }
}
