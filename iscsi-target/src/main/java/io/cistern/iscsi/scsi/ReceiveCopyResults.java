package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;

/// RECEIVE COPY RESULTS: copy status, operating parameters and failed segment details (SPC-4 6.21
/// to 6.24).
final class ReceiveCopyResults implements Operation.Immediate {
    static final int STATUS = 0x00;
    static final int PARAMETERS = 0x03;
    static final int FAILED_SEGMENT = 0x04;
    private static final int IN_PROGRESS = 0;
    private static final int COMPLETED = 1;
    private static final int FAILED = 2;

    @Override
    public ScsiResult answer(Request request) {
        Cdb cdb = request.cdb();
        ByteBuffer out =
                switch (cdb.serviceAction()) {
                    case STATUS -> status(request);
                    case PARAMETERS -> parameters(request.unit());
                    default -> failedSegment(request);
                };
        return Request.reply(out, cdb.u32(10));
    }

    private static CopyResults.Result result(Request request) {
        CopyResults.Result result = request.nexus().copyResults().get(request.cdb().u8(2));
        if (result == null) {
            throw Refusal.cdb(2, -1);
        }
        return result;
    }

    private static ByteBuffer status(Request request) {
        CopyResults.Result result = result(request);
        if (!result.running()) {
            request.nexus().copyResults().forget(request.cdb().u8(2));
        }
        ByteBuffer out = ByteBuffer.allocate(12);
        out.putInt(8);
        out.put(
                (byte)
                        (result.running()
                                ? IN_PROGRESS
                                : result.sense() == null ? COMPLETED : FAILED));
        out.putShort((short) result.segments());
        out.put((byte) 0); // TRANSFER COUNT in bytes
        out.putInt((int) Math.min(result.bytes(), 0xffffffffL));
        return out;
    }

    private static ByteBuffer failedSegment(Request request) {
        CopyResults.Result result = result(request);
        Sense sense = result.sense();
        if (sense == null) {
            return ByteBuffer.allocate(4).putInt(0);
        }
        request.nexus().copyResults().forget(request.cdb().u8(2));
        byte[] bytes = sense.encode(false);
        ByteBuffer out = ByteBuffer.allocate(60 + bytes.length);
        out.putInt(56 + bytes.length);
        out.position(56);
        out.put((byte) ScsiResult.CHECK_CONDITION).put((byte) 0);
        out.putShort((short) bytes.length).put(bytes);
        return out;
    }

    private static ByteBuffer parameters(LogicalUnit unit) {
        ByteBuffer out = ByteBuffer.allocate(46);
        out.putInt(42);
        out.putInt(0x01000000); // SNLID: zero is a list identifier as any other
        out.putShort((short) CopyList.MAX_TARGETS);
        out.putShort((short) CopyList.MAX_SEGMENTS);
        out.putInt(CopyList.MAX_DESCRIPTOR_BYTES);
        out.putInt(CopyList.MAX_SEGMENT_BLOCKS * unit.blockBytes());
        out.putInt(0); // no inline data
        out.putInt(0); // nor held data
        out.putInt(0).putShort((short) 0); // nor streams
        out.putShort((short) LogicalUnit.MAX_TASKS);
        out.put((byte) Math.min(255, CopyResults.LIMIT));
        out.put((byte) Integer.numberOfTrailingZeros(unit.blockBytes()));
        out.put((byte) 0).put((byte) 0);
        out.put(new byte[3]);
        out.put((byte) 2);
        out.put((byte) CopyList.BLOCK_TO_BLOCK).put((byte) CopyList.IDENTIFICATION);
        return out;
    }
}
