package io.cistern.iscsi.login;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;

/// What the target proposes for the keys of RFC 7143 section 13. None is below the key's default,
/// so that an initiator that names no key gets what the RFC says.
///
/// @param headerDigest whether CRC32C may be chosen
/// @param dataDigest whether CRC32C may be chosen
/// @param maxRecvSegment MaxRecvDataSegmentLength, 8,192 bytes to 16 MiB - 1
/// @param maxBurst MaxBurstLength, 262,144 bytes to 16 MiB - 1
/// @param firstBurst FirstBurstLength, 65,536 bytes to `maxBurst`
/// @param initialR2T true: no unsolicited Data-Out PDUs
/// @param immediateData whether commands may carry data
/// @param maxOutstandingR2T per task, 1 to 65,535
public record Offer(
        boolean headerDigest,
        boolean dataDigest,
        int maxRecvSegment,
        int maxBurst,
        int firstBurst,
        boolean initialR2T,
        boolean immediateData,
        int maxOutstandingR2T) {
    public static final Offer DEFAULT =
            new Offer(true, true, 256 << 10, 1 << 20, 256 << 10, false, true, 4);

    public Offer {
        check("maxRecvSegment", maxRecvSegment, Parameters.DEFAULT_SEGMENT, 0xffffff);
        check("maxBurst", maxBurst, Parameters.DEFAULT_MAX_BURST, 0xffffff);
        check("firstBurst", firstBurst, Parameters.DEFAULT_FIRST_BURST, maxBurst);
        check("maxOutstandingR2T", maxOutstandingR2T, 1, 0xffff);
    }

    private static void check(String name, int value, int min, int max) {
        if (value < min || value > max) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "iSCSI " + name + " = " + value + " is not from " + min + " to " + max);
        }
    }
}
