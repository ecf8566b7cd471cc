package io.cistern.iscsi.scsi;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// [ScsiState] as bytes of a shared record; the layout is in `docs/formats/scsi-record.md`. An
/// empty record is [ScsiState#INITIAL]. Reads fail with CORRUPT or INVALID (version) and never
/// guess.
final class ScsiStateCodec {
    static final int VERSION = 1;
    private static final int MAX_NAME_BYTES = 223;
    private static final int APTPL = 0x01;
    private static final int RESERVED = 0x02;
    private static final int RESERVED_BY = 0x04;

    private ScsiStateCodec() {}

    static ByteBuffer encode(ScsiState state) {
        ByteBuffer out = ByteBuffer.allocate(GuardedDevice.MAX_RECORD_BYTES);
        out.put((byte) VERSION);
        out.put((byte) flags(state));
        out.putInt((int) state.generation());
        putMode(out, state.mode());
        putMode(out, state.savedMode());
        out.putShort((short) state.registrations().size());
        state.registrations()
                .forEach((nexus, key) -> {
                    putNexus(out, nexus);
                    out.putLong(key);
                });
        ScsiState.Reservation reservation = state.reservation();
        if (reservation != null) {
            out.put((byte) reservation.type().code());
            putOptionalNexus(out, reservation.holder());
        }
        NexusId reservedBy = state.reservedBy();
        if (reservedBy != null) {
            putNexus(out, reservedBy);
        }
        out.putLong(state.eventCount());
        out.put((byte) state.events().size());
        for (SharedEvent event : state.events()) {
            out.put((byte) event.kind().wire());
            putOptionalNexus(out, event.actor());
        }
        return out.flip();
    }

    static ScsiState decode(ByteBuffer bytes) {
        if (!bytes.hasRemaining()) {
            return ScsiState.INITIAL;
        }
        ByteBuffer in = bytes.duplicate();
        int version = in.get() & 0xff;
        if (version != VERSION) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "the SCSI record has version "
                            + version
                            + ", this node reads version "
                            + VERSION
                            + "; upgrade the node");
        }
        try {
            ScsiState state = body(in);
            check(!in.hasRemaining(), "bytes are left over");
            return state;
        } catch (BufferUnderflowException e) {
            throw new CisternException(ErrorCode.CORRUPT, "the SCSI record is cut short", e);
        }
    }

    private static ScsiState body(ByteBuffer in) {
        int flags = in.get() & 0xff;
        check(flags >> 3 == 0, "unknown flags");
        long generation = in.getInt() & 0xffffffffL;
        ModeSettings mode = mode(in);
        ModeSettings saved = mode(in);
        int count = in.getShort() & 0xffff;
        check(count <= ScsiState.MAX_REGISTRATIONS, "too many registrations");
        Map<NexusId, Long> registrations = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            NexusId nexus = nexus(in);
            check(registrations.put(nexus, in.getLong()) == null, "a nexus is listed twice");
        }
        ScsiState.Reservation reservation =
                (flags & RESERVED) == 0 ? null : reservation(in, registrations);
        NexusId reservedBy = (flags & RESERVED_BY) == 0 ? null : nexus(in);
        long eventCount = in.getLong();
        int listed = in.get() & 0xff;
        check(listed <= ScsiState.MAX_EVENTS && listed <= eventCount, "too many events");
        List<SharedEvent> events = new ArrayList<>();
        for (int i = 0; i < listed; i++) {
            SharedEvent.Kind kind = SharedEvent.Kind.of(in.get() & 0xff);
            if (kind == null) {
                throw corrupt("an unknown event");
            }
            events.add(new SharedEvent(kind, optionalNexus(in)));
        }
        return new ScsiState(
                generation,
                (flags & APTPL) != 0,
                Collections.unmodifiableMap(registrations),
                reservation,
                reservedBy,
                mode,
                saved,
                eventCount,
                List.copyOf(events));
    }

    private static ScsiState.Reservation reservation(
            ByteBuffer in, Map<NexusId, Long> registrations) {
        ReservationType type = ReservationType.of(in.get() & 0xff);
        if (type == null) {
            throw corrupt("an unknown reservation type");
        }
        NexusId holder = optionalNexus(in);
        check(
                type.allRegistrants() ? holder == null : registrations.containsKey(holder),
                "a reservation whose holder is not registered");
        return new ScsiState.Reservation(type, holder);
    }

    private static int flags(ScsiState state) {
        return (state.aptpl() ? APTPL : 0)
                | (state.reservation() != null ? RESERVED : 0)
                | (state.reservedBy() != null ? RESERVED_BY : 0);
    }

    private static void putMode(ByteBuffer out, ModeSettings mode) {
        int bits =
                (mode.descriptorSense() ? 1 : 0)
                        | (mode.taskAbortedStatus() ? 2 : 0)
                        | (mode.writeProtect() ? 4 : 0)
                        | (mode.thresholdEvents() ? 8 : 0);
        out.put((byte) bits);
        out.putInt((int) mode.availableThreshold());
        out.putInt((int) mode.usedThreshold());
    }

    private static ModeSettings mode(ByteBuffer in) {
        int bits = in.get() & 0xff;
        check(bits >> 4 == 0, "unknown mode parameters");
        return new ModeSettings(
                (bits & 1) != 0,
                (bits & 2) != 0,
                (bits & 4) != 0,
                (bits & 8) != 0,
                in.getInt() & 0xffffffffL,
                in.getInt() & 0xffffffffL);
    }

    private static void putNexus(ByteBuffer out, NexusId nexus) {
        byte[] name = nexus.initiatorName().getBytes(StandardCharsets.UTF_8);
        if (name.length > MAX_NAME_BYTES || name.length == 0) {
            throw new CisternException(
                    ErrorCode.INVALID, "an initiator name has 1 to 223 bytes, not " + name.length);
        }
        out.put((byte) name.length).put(name);
        out.putShort((short) (nexus.isid() >>> 32)).putInt((int) nexus.isid());
        out.putShort((short) nexus.targetPortGroup());
    }

    private static void putOptionalNexus(ByteBuffer out, @Nullable NexusId nexus) {
        if (nexus == null) {
            out.put((byte) 0);
        } else {
            putNexus(out, nexus);
        }
    }

    private static NexusId nexus(ByteBuffer in) {
        NexusId nexus = optionalNexus(in);
        if (nexus == null) {
            throw corrupt("an empty initiator name");
        }
        return nexus;
    }

    private static @Nullable NexusId optionalNexus(ByteBuffer in) {
        int length = in.get() & 0xff;
        if (length == 0) {
            return null;
        }
        check(length <= MAX_NAME_BYTES, "an initiator name that is too long");
        byte[] name = new byte[length];
        in.get(name);
        long isid = (in.getShort() & 0xffffL) << 32 | in.getInt() & 0xffffffffL;
        return new NexusId(new String(name, StandardCharsets.UTF_8), isid, in.getShort() & 0xffff);
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw corrupt(otherwise);
        }
    }

    private static CisternException corrupt(String what) {
        return new CisternException(ErrorCode.CORRUPT, "the SCSI record is damaged: " + what);
    }
}
