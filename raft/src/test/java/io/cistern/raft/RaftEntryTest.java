package io.cistern.raft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class RaftEntryTest {
    private static List<ByteBuffer> wrap(List<byte[]> commands) {
        return commands.stream().map(ByteBuffer::wrap).toList();
    }

    private static List<RaftCommand> commands(List<byte[]> commands) {
        return wrap(commands).stream().map(RaftCommand::of).toList();
    }

    @Property(tries = 300)
    void whatWasEncodedIsDecoded(@ForAll @Size(max = 128) List<byte[]> commands) {
        List<ByteBuffer> decoded =
                RaftEntry.decode(ByteBuffer.wrap(RaftEntry.encode(commands(commands))));
        assertThat(decoded).isEqualTo(wrap(commands)).allMatch(ByteBuffer::isReadOnly);
    }

    @Property(tries = 300)
    void aCutEntryIsRefused(
            @ForAll @Size(min = 1, max = 5) List<byte[]> commands,
            @ForAll @IntRange(max = 10_000) int cut) {
        byte[] entry = RaftEntry.encode(commands(commands));
        ByteBuffer part = ByteBuffer.wrap(entry, 0, cut % entry.length);
        assertThatThrownBy(() -> RaftEntry.decode(part))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT));
    }

    @Property(tries = 1000)
    void garbageIsRefusedOrReadWithinItsBounds(@ForAll byte[] garbage) {
        try {
            RaftEntry.decode(ByteBuffer.wrap(garbage));
        } catch (CisternException e) {
            assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT);
        }
    }

    @Test
    void encodingLeavesTheCommandsAlone() {
        ByteBuffer command = ByteBuffer.wrap(new byte[] {1, 2, 3});
        RaftEntry.encode(List.of(RaftCommand.of(command)));
        assertThat(command.remaining()).isEqualTo(3);
    }

    /// Two commands, "ab" and 00 ff 10, with an empty one between them.
    private static final List<byte[]> GOLDEN =
            List.of(new byte[] {'a', 'b'}, new byte[0], new byte[] {0, (byte) 0xff, 16});

    private static byte[] golden(String name) throws Exception {
        try (InputStream in = RaftEntryTest.class.getResourceAsStream(name)) {
            assertThat(in).isNotNull();
            return in.readAllBytes();
        }
    }

    @Test
    void versionOneIsStillRead() throws Exception {
        ByteBuffer golden = ByteBuffer.wrap(golden("raft-entry-v1.bin"));
        assertThat(RaftEntry.decode(golden)).isEqualTo(wrap(GOLDEN));
        assertThat(RaftEntry.committed(golden)).isEqualTo(-1);
    }

    @Test
    void versionTwoIsReadAndWrittenAsItAlwaysWas() throws Exception {
        byte[] golden = golden("raft-entry-v2.bin");
        assertThat(RaftEntry.decode(ByteBuffer.wrap(golden))).isEqualTo(wrap(GOLDEN));
        assertThat(RaftEntry.committed(ByteBuffer.wrap(golden))).isEqualTo(0x0102030405060708L);
        byte[] entry = RaftEntry.encode(commands(GOLDEN));
        assertThat(RaftEntry.committed(ByteBuffer.wrap(entry))).isEqualTo(-1);
        RaftEntry.stampCommitted(entry, 0x0102030405060708L);
        assertThat(entry).isEqualTo(golden);
    }

    @Test
    void anUnknownVersionSaysSo() {
        byte[] entry = RaftEntry.encode(List.of());
        entry[1] = 4;
        assertThatThrownBy(() -> RaftEntry.decode(ByteBuffer.wrap(entry)))
                .hasMessageContaining("version is 4");
    }

    @Property(tries = 100)
    void aHeaderHoldsNoCommandAndIsNeverTakenForAnEntry(
            @ForAll @Size(max = 128) List<byte[]> commands, @ForAll long committed) {
        byte[] entry = RaftEntry.encode(commands(commands));
        RaftEntry.stampCommitted(entry, committed);
        byte[] header = RaftEntry.header(ByteBuffer.wrap(entry));
        assertThat(header).hasSize(12);
        assertThat(RaftEntry.committed(ByteBuffer.wrap(header))).isEqualTo(committed);
        assertThat(RaftEntry.header(ByteBuffer.wrap(header))).isEqualTo(header);
        assertThatThrownBy(() -> RaftEntry.decode(ByteBuffer.wrap(header)))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CORRUPT));
    }

    @Test
    void aHeaderIsWrittenAsItAlwaysWas() throws Exception {
        assertThat(RaftEntry.header(ByteBuffer.wrap(golden("raft-entry-v2.bin"))))
                .isEqualTo(HexFormat.of().parseHex("c10300030102030405060708"));
        assertThat(RaftEntry.header(ByteBuffer.wrap(golden("raft-entry-v1.bin"))))
                .isEqualTo(HexFormat.of().parseHex("c1030003ffffffffffffffff"));
    }
}
