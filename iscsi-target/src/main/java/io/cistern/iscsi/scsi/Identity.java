package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.UUID;

/// The names of a logical unit, made of the cluster's and the volume's ids alone, so that they are
/// the same through every port and stay when a volume is renamed (SPC-4 7.8.6).
///
/// @param naa eight bytes, NAA type 3h: locally assigned
/// @param serial the unit serial number, 32 hexadecimal digits
record Identity(byte[] naa, String serial) {
    static final String VENDOR = "CISTERN ";
    static final String PRODUCT = "VOLUME          ";
    static final String REVISION = "1   ";

    static Identity of(UUID clusterId, long volumeId) {
        ByteBuffer ids = ByteBuffer.allocate(24);
        ids.putLong(clusterId.getMostSignificantBits());
        ids.putLong(clusterId.getLeastSignificantBits());
        ids.putLong(volumeId);
        byte[] digest;
        try {
            digest = MessageDigest.getInstance("SHA-256").digest(ids.array());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
        byte[] naa = new byte[8];
        System.arraycopy(digest, 0, naa, 0, naa.length);
        naa[0] = (byte) (0x30 | naa[0] & 0x0f);
        return new Identity(naa, HexFormat.of().formatHex(digest, 16, 32));
    }

    /// T10 vendor ID based designator.
    byte[] t10() {
        return (VENDOR + serial).getBytes(StandardCharsets.US_ASCII);
    }

    /// SCSI name string of the logical unit.
    String scsiName() {
        return "naa." + HexFormat.of().withUpperCase().formatHex(naa);
    }

    /// Whether a designator of page 83h, as an EXTENDED COPY names it, is one of this unit's.
    ///
    /// @param type ASSOCIATION and DESIGNATOR TYPE
    boolean isDesignatedBy(int codeSet, int type, byte[] designator) {
        return switch (type) {
            case 0x01 -> codeSet == 2 && Arrays.equals(designator, t10());
            case 0x03 -> codeSet == 1 && Arrays.equals(designator, naa);
            case 0x08 ->
                    codeSet == 3
                            && new String(designator, StandardCharsets.UTF_8).equals(scsiName());
            default -> false;
        };
    }
}
