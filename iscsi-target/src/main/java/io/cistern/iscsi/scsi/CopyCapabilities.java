package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.List;

/// The Third-party Copy page (SPC-4 7.8.17): the five descriptors that a copy manager with EXTENDED
/// COPY (LID1) must give. There are no tokens, so none of the descriptors by which an initiator
/// would find them.
final class CopyCapabilities {
    private static final int EXTENDED_COPY = 0x83;
    private static final int RECEIVE_COPY_RESULTS = 0x84;
    private static final int SUPPORTED_COMMANDS = 0x0001;
    private static final int PARAMETER_DATA = 0x0004;
    private static final int SUPPORTED_DESCRIPTORS = 0x0008;
    private static final int SUPPORTED_IDS = 0x000c;
    private static final int GENERAL_COPY_OPERATIONS = 0x8001;

    private CopyCapabilities() {}

    /// Puts the descriptors; the page's header is the caller's.
    static void page(ByteBuffer out, LogicalUnit unit) {
        int at = begin(out, SUPPORTED_COMMANDS);
        commands(out);
        end(out, at);

        at = begin(out, PARAMETER_DATA);
        out.putInt(0);
        out.putShort((short) CopyList.MAX_TARGETS).putShort((short) CopyList.MAX_SEGMENTS);
        out.putInt(CopyList.MAX_DESCRIPTOR_BYTES);
        out.putInt(0); // no inline data
        out.put(new byte[12]);
        end(out, at);

        at = begin(out, SUPPORTED_DESCRIPTORS);
        out.put((byte) 2).put((byte) CopyList.BLOCK_TO_BLOCK).put((byte) CopyList.IDENTIFICATION);
        end(out, at);

        at = begin(out, SUPPORTED_IDS);
        out.putShort((short) 0); // none but places in the list of targets
        end(out, at);

        at = begin(out, GENERAL_COPY_OPERATIONS);
        out.putInt(LogicalUnit.MAX_TASKS).putInt(CopyResults.LIMIT);
        out.putInt(CopyList.MAX_SEGMENT_BLOCKS * unit.blockBytes());
        out.put((byte) Integer.numberOfTrailingZeros(unit.blockBytes())).put((byte) 0);
        out.put(new byte[18]);
        end(out, at);
    }

    /// Operation codes with their service actions, read off the table that commands are run by.
    private static void commands(ByteBuffer out) {
        int lengthAt = out.position();
        out.put((byte) 0);
        for (int code : new int[] {EXTENDED_COPY, RECEIVE_COPY_RESULTS}) {
            List<Opcode> rows = Opcodes.of(code);
            out.put((byte) code).put((byte) rows.size());
            rows.forEach(row -> out.put((byte) row.serviceAction()));
        }
        out.put(lengthAt, (byte) (out.position() - lengthAt - 1));
    }

    private static int begin(ByteBuffer out, int type) {
        out.putShort((short) type).putShort((short) 0);
        return out.position();
    }

    /// A descriptor's length is a multiple of four.
    private static void end(ByteBuffer out, int at) {
        while ((out.position() - at) % 4 != 0) {
            out.put((byte) 0);
        }
        out.putShort(at - 2, (short) (out.position() - at));
    }
}
