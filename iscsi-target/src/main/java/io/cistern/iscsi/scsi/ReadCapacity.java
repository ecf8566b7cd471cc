package io.cistern.iscsi.scsi;

import io.cistern.block.BlockDevice;
import java.nio.ByteBuffer;

/// READ CAPACITY (10) and (16) (SBC-3 5.15, 5.16).
final class ReadCapacity implements Operation.Immediate {
    @Override
    public ScsiResult answer(Request request) {
        return request.cdb().operationCode() == Opcodes.READ_CAPACITY_10
                ? ten(request)
                : sixteen(request);
    }

    private static ScsiResult ten(Request request) {
        long last = request.unit().capacityBlocks() - 1;
        ByteBuffer out = ByteBuffer.allocate(8);
        out.putInt((int) Math.min(last, 0xffffffffL)).putInt(request.unit().blockBytes());
        return Request.reply(out, 8);
    }

    private static ScsiResult sixteen(Request request) {
        LogicalUnit unit = request.unit();
        int perPhysical = BlockDevice.BLOCK_BYTES / unit.blockBytes();
        ByteBuffer out = ByteBuffer.allocate(32);
        out.putLong(unit.capacityBlocks() - 1).putInt(unit.blockBytes());
        out.put((byte) 0); // no protection information
        out.put((byte) Integer.numberOfTrailingZeros(perPhysical));
        out.putShort((short) 0xc000); // LBPME, LBPRZ, lowest aligned LBA 0
        out.position(32);
        return Request.reply(out, request.cdb().u32(10));
    }
}
