package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// PERSISTENT RESERVE IN (SPC-4 6.15).
final class PersistentReserveIn implements Operation.Immediate {
    private static final int READ_KEYS = 0;
    private static final int READ_RESERVATION = 1;
    private static final int REPORT_CAPABILITIES = 2;
    private static final int DESCRIPTOR_BYTES = 24;

    @Override
    public ScsiResult answer(Request request) {
        ScsiState state = request.state();
        ByteBuffer out =
                switch (request.cdb().serviceAction()) {
                    case READ_KEYS -> keys(state);
                    case READ_RESERVATION -> reservation(state);
                    case REPORT_CAPABILITIES -> capabilities(state);
                    default -> fullStatus(state);
                };
        return Request.reply(out, request.cdb().u16(7));
    }

    private static ByteBuffer keys(ScsiState state) {
        int bytes = 8 * state.registrations().size();
        ByteBuffer out = ByteBuffer.allocate(8 + bytes);
        out.putInt((int) state.generation()).putInt(bytes);
        state.registrations().values().forEach(out::putLong);
        return out;
    }

    private static ByteBuffer reservation(ScsiState state) {
        ScsiState.Reservation present = state.reservation();
        ByteBuffer out = ByteBuffer.allocate(24);
        out.putInt((int) state.generation()).putInt(present == null ? 0 : 16);
        if (present != null) {
            Long key = present.holder() == null ? null : state.key(present.holder());
            out.putLong(key == null ? 0 : key).putInt(0);
            out.put((byte) 0).put((byte) present.type().code()).putShort((short) 0);
        }
        return out;
    }

    private static ByteBuffer capabilities(ScsiState state) {
        ByteBuffer out = ByteBuffer.allocate(8);
        out.putShort((short) 8);
        out.put((byte) 0x1d); // CRH, SIP_C, ATP_C, PTPL_C
        out.put((byte) (0x90 | (state.aptpl() ? 1 : 0))); // TMV, TEST UNIT READY is allowed
        out.put((byte) 0xea).put((byte) 0x01); // all six types
        return out.putShort((short) 0);
    }

    private static ByteBuffer fullStatus(ScsiState state) {
        int bytes = 0;
        for (NexusId nexus : state.registrations().keySet()) {
            bytes += DESCRIPTOR_BYTES + TransportId.encode(nexus).length;
        }
        ByteBuffer out = ByteBuffer.allocate(8 + bytes);
        out.putInt((int) state.generation()).putInt(bytes);
        for (Map.Entry<NexusId, Long> entry : state.registrations().entrySet()) {
            NexusId nexus = entry.getKey();
            ScsiState.@Nullable Reservation held = state.holds(nexus) ? state.reservation() : null;
            byte[] transport = TransportId.encode(nexus);
            out.putLong(entry.getValue()).putInt(0);
            out.put((byte) (held == null ? 0 : 1));
            out.put((byte) (held == null ? 0 : held.type().code())).putInt(0);
            out.putShort((short) nexus.targetPortGroup()).putInt(transport.length).put(transport);
        }
        return out;
    }
}
