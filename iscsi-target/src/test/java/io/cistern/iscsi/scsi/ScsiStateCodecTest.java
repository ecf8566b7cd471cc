package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class ScsiStateCodecTest {
    private static final NexusId A = new NexusId("iqn.2026-11.test:a", 0x800001020304L, 1);
    private static final NexusId B = new NexusId("iqn.2026-11.test:b", 0x00023d000001L, 65535);

    private static ScsiState sample() {
        Map<NexusId, Long> registrations = new LinkedHashMap<>();
        registrations.put(A, 0xaabbccddL);
        registrations.put(B, -1L);
        return new ScsiState(
                0x01020304,
                true,
                registrations,
                new ScsiState.Reservation(ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY, A),
                new NexusId("iqn.2026-11.test:c", 1, 2),
                new ModeSettings(true, false, true, false, 100, 0),
                new ModeSettings(true, true, false, true, 0, 0xffffffffL),
                300,
                List.of(
                        new SharedEvent(SharedEvent.Kind.LOGICAL_UNIT_RESET, B),
                        new SharedEvent(SharedEvent.Kind.MODE_CHANGED, null)));
    }

    @Test
    void theGoldenFileOfVersion1IsReadAndWritten() throws IOException {
        byte[] golden;
        try (InputStream in = getClass().getResourceAsStream("scsi-record-v1.bin")) {
            golden = in.readAllBytes();
        }
        assertThat(ScsiStateCodec.decode(ByteBuffer.wrap(golden))).isEqualTo(sample());
        assertThat(ScsiStateCodec.encode(sample())).isEqualTo(ByteBuffer.wrap(golden));
    }

    @Test
    void anEmptyRecordIsTheInitialState() {
        assertThat(ScsiStateCodec.decode(ByteBuffer.allocate(0))).isEqualTo(ScsiState.INITIAL);
    }

    @Test
    void theLargestStateFitsInARecord() {
        ScsiState.Draft draft = ScsiState.INITIAL.draft();
        String longest = "n".repeat(223);
        for (int i = 0; i < ScsiState.MAX_REGISTRATIONS; i++) {
            draft.registrations.put(new NexusId(longest, i, 1), 1L);
        }
        NexusId nexus = new NexusId(longest, 0, 1);
        draft.reservation = new ScsiState.Reservation(ReservationType.WRITE_EXCLUSIVE, nexus);
        draft.reservedBy = nexus;
        for (int i = 0; i < ScsiState.MAX_EVENTS; i++) {
            draft.event(SharedEvent.Kind.CLEARED, nexus);
        }
        ByteBuffer bytes = ScsiStateCodec.encode(draft.build());
        assertThat(bytes.remaining()).isLessThanOrEqualTo(GuardedDevice.MAX_RECORD_BYTES);
        assertThat(ScsiStateCodec.decode(bytes)).isEqualTo(draft.build());
    }

    @Test
    void aNewerVersionIsToldFromDamage() {
        ByteBuffer bytes = ScsiStateCodec.encode(sample());
        bytes.put(0, (byte) 2);
        assertThatThrownBy(() -> ScsiStateCodec.decode(bytes))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID))
                .hasMessageContaining("version 2");
    }

    @Property(tries = 300)
    void whatIsWrittenIsRead(@ForAll("states") ScsiState state) {
        assertThat(ScsiStateCodec.decode(ScsiStateCodec.encode(state))).isEqualTo(state);
    }

    @Property(tries = 300)
    void aRecordCutShortIsCorrupt(
            @ForAll("states") ScsiState state, @ForAll @IntRange(min = 1) int at) {
        ByteBuffer bytes = ScsiStateCodec.encode(state);
        bytes.limit(1 + at % (bytes.limit() - 1));
        assertThatThrownBy(() -> ScsiStateCodec.decode(bytes))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT));
    }

    @Property(tries = 500)
    void aDamagedRecordIsReadAsSomethingValidOrRefused(
            @ForAll("states") ScsiState state,
            @ForAll @IntRange(min = 0) int at,
            @ForAll byte value) {
        ByteBuffer bytes = ScsiStateCodec.encode(state);
        bytes.put(at % bytes.limit(), value);
        try {
            ScsiState read = ScsiStateCodec.decode(bytes);
            assertThat(ScsiStateCodec.decode(ScsiStateCodec.encode(read))).isEqualTo(read);
        } catch (CisternException e) {
            assertThat(e.code()).isIn(ErrorCode.CORRUPT, ErrorCode.INVALID);
        }
    }

    @Provide
    Arbitrary<ScsiState> states() {
        Arbitrary<NexusId> nexuses =
                Combinators.combine(
                                Arbitraries.strings().ascii().ofMinLength(1).ofMaxLength(223),
                                Arbitraries.longs().between(0, 0xffff_ffff_ffffL),
                                Arbitraries.integers().between(1, 0xffff))
                        .as(NexusId::new);
        Arbitrary<ModeSettings> modes =
                Combinators.combine(
                                Arbitraries.of(true, false),
                                Arbitraries.of(true, false),
                                Arbitraries.of(true, false),
                                Arbitraries.of(true, false),
                                Arbitraries.longs().between(0, 0xffffffffL),
                                Arbitraries.longs().between(0, 0xffffffffL))
                        .as(ModeSettings::new);
        Arbitrary<List<SharedEvent>> events =
                Combinators.combine(
                                Arbitraries.of(SharedEvent.Kind.values()), nexuses.injectNull(0.3))
                        .as(SharedEvent::new)
                        .list()
                        .ofMaxSize(ScsiState.MAX_EVENTS);
        return Combinators.combine(
                        Arbitraries.longs().between(0, 0xffffffffL),
                        Arbitraries.maps(nexuses, Arbitraries.longs()).ofMaxSize(20),
                        Arbitraries.of(ReservationType.values()).injectNull(0.4),
                        nexuses.injectNull(0.5),
                        modes,
                        modes,
                        Arbitraries.longs().between(ScsiState.MAX_EVENTS, Long.MAX_VALUE),
                        events)
                .as(ScsiStateCodecTest::state);
    }

    private static ScsiState state(
            long generation,
            Map<NexusId, Long> registrations,
            ReservationType type,
            NexusId reservedBy,
            ModeSettings mode,
            ModeSettings saved,
            long eventCount,
            List<SharedEvent> events) {
        List<NexusId> registered = new ArrayList<>(registrations.keySet());
        boolean reserved = type != null && !registered.isEmpty();
        return new ScsiState(
                generation,
                generation % 2 == 0,
                registrations,
                reserved
                        ? new ScsiState.Reservation(
                                type, type.allRegistrants() ? null : registered.getFirst())
                        : null,
                reservedBy,
                mode,
                saved,
                eventCount,
                events);
    }
}
