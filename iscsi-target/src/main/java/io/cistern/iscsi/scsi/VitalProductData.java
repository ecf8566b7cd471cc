package io.cistern.iscsi.scsi;

import io.cistern.block.BlockDevice;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/// The vital product data pages (SPC-4 7.8, SBC-3 6.6).
final class VitalProductData {
    private static final byte[] PAGES = {
        0x00,
        (byte) 0x80,
        (byte) 0x83,
        (byte) 0x86,
        (byte) 0x8f,
        (byte) 0xb0,
        (byte) 0xb1,
        (byte) 0xb2
    };

    /// Largest page: seven names.
    private static final int MAX_BYTES = 2048;

    private VitalProductData() {}

    /// @throws Refusal INVALID FIELD IN CDB for a page that is not supported
    static byte[] page(int code, LogicalUnit unit, NexusId nexus) {
        ByteBuffer out = ByteBuffer.allocate(MAX_BYTES);
        out.put((byte) 0).put((byte) code).putShort((short) 0);
        switch (code) {
            case 0x00 -> out.put(PAGES);
            case 0x80 -> out.put(ascii(unit.identity().serial()));
            case 0x83 -> designators(out, unit, nexus.targetPortGroup());
            case 0x86 -> extended(out);
            case 0x8f -> CopyCapabilities.page(out, unit);
            case 0xb0 -> blockLimits(out, unit);
            case 0xb1 -> characteristics(out);
            case 0xb2 -> provisioning(out);
            default -> throw Refusal.cdb(2, -1);
        }
        out.putShort(2, (short) (out.position() - 4));
        byte[] page = new byte[out.position()];
        out.get(0, page);
        return page;
    }

    private static void designators(ByteBuffer out, LogicalUnit unit, int tag) {
        Identity identity = unit.identity();
        String target = unit.config().targetName();
        String port = target + ",t,0x" + String.format("%04x", tag);
        designator(out, 0x01, 0x03, identity.naa());
        designator(out, 0x02, 0x01, identity.t10());
        designator(out, 0x03, 0x08, padded(identity.scsiName()));
        byte[] number = {0, 0, (byte) (tag >> 8), (byte) tag};
        designator(out, 0x51, 0x94, number);
        designator(out, 0x51, 0x95, number);
        designator(out, 0x53, 0x98, padded(port));
        designator(out, 0x53, 0xa8, padded(target));
    }

    /// @param first PROTOCOL IDENTIFIER (5h: iSCSI) and CODE SET
    /// @param second PIV, ASSOCIATION and DESIGNATOR TYPE
    private static void designator(ByteBuffer out, int first, int second, byte[] bytes) {
        out.put((byte) first).put((byte) second).put((byte) 0).put((byte) bytes.length).put(bytes);
    }

    /// Extended INQUIRY data: which task attributes there are.
    private static void extended(ByteBuffer out) {
        byte[] body = new byte[60];
        body[1] = 0x07; // HEADSUP, ORDSUP, SIMPSUP
        out.put(body);
    }

    private static void blockLimits(ByteBuffer out, LogicalUnit unit) {
        int granule = BlockDevice.BLOCK_BYTES / unit.blockBytes();
        out.put((byte) 1); // WSNZ
        out.put((byte) CompareAndWrite.maxBlocks(unit));
        out.putShort((short) granule);
        out.putInt(unit.maxTransferBlocks());
        out.putInt((1 << 20) / unit.blockBytes());
        out.putInt(0); // PRE-FETCH: no limit
        out.putInt((int) Unmap.MAX_BLOCKS);
        out.putInt(Unmap.MAX_DESCRIPTORS);
        out.putInt(granule);
        out.putInt(0x80000000); // aligned at LBA 0
        out.putLong(WriteSame.MAX_BLOCKS);
        out.putInt(unit.maxAtomicBlocks());
        out.putInt(0); // atomic writes: any alignment
        out.putInt(0); // and any length
        out.putInt(0); // no boundaries
        out.putInt(0);
    }

    private static void characteristics(ByteBuffer out) {
        byte[] body = new byte[60];
        body[1] = 1; // not rotating
        body[3] = 0x40; // WABEREQ: what was erased is read without error
        out.put(body);
    }

    private static void provisioning(ByteBuffer out) {
        out.put((byte) ThinThresholds.EXPONENT);
        out.put((byte) 0xe4); // LBPU, LBPWS, LBPWS10, LBPRZ = 001b
        out.put((byte) 0x02); // thin
        out.put((byte) 0);
    }

    private static byte[] padded(String name) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        byte[] padded = new byte[bytes.length / 4 * 4 + 4];
        System.arraycopy(bytes, 0, padded, 0, bytes.length);
        return padded;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
