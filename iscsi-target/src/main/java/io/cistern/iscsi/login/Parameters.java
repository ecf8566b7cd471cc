package io.cistern.iscsi.login;

import io.cistern.iscsi.pdu.Digests;

/// What a login has settled (RFC 7143 section 13).
///
/// @param maxSendSegment the initiator's MaxRecvDataSegmentLength, bytes
/// @param maxRecvSegment the target's, bytes
/// @param firstBurst most unsolicited data of a command, bytes
/// @param maxBurst most data of one R2T or Data-In sequence, bytes
/// @param protocolLevel 1 RFC 7143, 2 RFC 7144 too
public record Parameters(
        Digests digests,
        int maxSendSegment,
        int maxRecvSegment,
        boolean initialR2T,
        boolean immediateData,
        int firstBurst,
        int maxBurst,
        int maxOutstandingR2T,
        int time2Wait,
        int time2Retain,
        int protocolLevel) {
    static final int DEFAULT_SEGMENT = 8_192;
    static final int DEFAULT_MAX_BURST = 262_144;
    static final int DEFAULT_FIRST_BURST = 65_536;
    static final int MIN_LENGTH = 512;
    static final int MAX_LENGTH = 0xffffff;

    /// Most unsolicited data of one command.
    public int unsolicitedBytes() {
        return initialR2T && !immediateData ? 0 : firstBurst;
    }

    public Parameters withMaxSendSegment(int bytes) {
        return new Parameters(
                digests,
                bytes,
                maxRecvSegment,
                initialR2T,
                immediateData,
                firstBurst,
                maxBurst,
                maxOutstandingR2T,
                time2Wait,
                time2Retain,
                protocolLevel);
    }
}
