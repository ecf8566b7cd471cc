package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.List;

/// REPORT TARGET PORT GROUPS (SPC-4 6.37): a group of one port for each node. States change by
/// themselves, with the leadership of the volume's group; SET TARGET PORT GROUPS is not supported.
/// A nexus that has asked is told of later changes by a unit attention condition (ADR 78).
final class ReportTargetPorts implements Operation.Immediate {
    private static final int EXTENDED = 1;

    @Override
    public ScsiResult answer(Request request) {
        Cdb cdb = request.cdb();
        int format = cdb.u8(1) >> 5;
        if (format > EXTENDED) {
            throw Refusal.cdb(1, 7);
        }
        request.nexus().asksForPorts(); // before looking: no change may be missed
        List<PortStates.Port> ports = request.unit().ports().ports();
        ByteBuffer out = ByteBuffer.allocate(8 + 12 * ports.size());
        out.putInt(0);
        if (format == EXTENDED) {
            out.putInt(0x10000000); // extended header, no implicit transition time
        }
        for (PortStates.Port port : ports) {
            boolean preferred = port.state() == PortStates.AccessState.OPTIMIZED;
            out.put((byte) (port.state().code() | (preferred ? 0x80 : 0)));
            out.put((byte) 0x0b); // supported: unavailable, non-optimized, optimized
            out.putShort((short) port.tag()).put((byte) 0);
            out.put((byte) 0x02); // changed implicitly
            out.put((byte) 0).put((byte) 1);
            out.putShort((short) 0).putShort((short) port.tag());
        }
        out.putInt(0, out.position() - 4);
        return Request.reply(out, cdb.u32(6));
    }
}
