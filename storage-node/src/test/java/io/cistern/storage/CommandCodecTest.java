package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.IfUnchanged.Seen;
import io.cistern.storage.Command.Limits;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class CommandCodecTest {
    private static final int BLOCK = 4096;

    private static ByteBuffer encode(Command command) {
        ByteBuffer out = ByteBuffer.allocate(CommandCodec.size(command));
        CommandCodec.encode(command, out);
        assertThat(out.hasRemaining()).as("size is exact").isFalse();
        return out.flip();
    }

    private static void assertSame(Command actual, Command expected) {
        if (expected instanceof Command.Write e) {
            assertThat(actual).isInstanceOf(Command.Write.class);
            Command.Write a = (Command.Write) actual;
            assertThat(a.crcs()).isEqualTo(e.crcs());
            assertThat(a.data()).isEqualTo(e.data());
            assertThat(List.of(a.volume(), a.origin(), a.evaluatedTerm(), a.offset(), a.atomic()))
                    .isEqualTo(
                            List.of(
                                    e.volume(),
                                    e.origin(),
                                    e.evaluatedTerm(),
                                    e.offset(),
                                    e.atomic()));
        } else {
            assertThat(actual).isEqualTo(expected);
        }
    }

    @Property(tries = 500)
    void roundTrip(@ForAll("commands") Command command) {
        assertSame(CommandCodec.decode(encode(command)), command);
    }

    @Property(tries = 300)
    void cutOrLengthenedIsRefused(@ForAll("commands") Command command, @ForAll int at) {
        ByteBuffer whole = encode(command);
        int cut = Math.floorMod(at, whole.remaining());
        refused(whole.slice(0, cut));
        refused(ByteBuffer.allocate(whole.remaining() + 1).put(whole.duplicate()).clear());
    }

    @Property(tries = 1000)
    void garbageIsRefusedOrACommand(
            @ForAll byte[] bytes,
            @ForAll("types") int type,
            @ForAll @IntRange(min = 1, max = 3) int version) {
        ByteBuffer in = ByteBuffer.allocate(bytes.length + 2);
        in.put((byte) version).put((byte) type).put(bytes).flip();
        try {
            Command command = CommandCodec.decode(in);
            assertThat(encode(command)).isEqualTo(in);
        } catch (CisternException e) {
            assertThat(e.code()).isEqualTo(ErrorCode.INVALID);
        }
    }

    @Test
    void dataIsNotCopied() {
        ByteBuffer encoded = encode(write(1, 3));
        Command.Write decoded = (Command.Write) CommandCodec.decode(encoded);
        int last = encoded.limit() - 1;
        encoded.put(last, (byte) (encoded.get(last) + 1));
        assertThat(decoded.data().get(decoded.data().limit() - 1)).isEqualTo(encoded.get(last));
    }

    @Test
    void olderAndNewerVersionsAreToldApart() {
        assertThatThrownBy(() -> CommandCodec.decode(ByteBuffer.wrap(new byte[] {4, 5})))
                .hasMessageContaining("too new");
        assertThatThrownBy(() -> CommandCodec.decode(ByteBuffer.wrap(new byte[] {0, 5})))
                .hasMessageContaining("too old");
    }

    /// Every kind of command once, as version 1 wrote it. A change of the format must come with a
    /// new version, a new file, and this one still readable.
    @Test
    void readsAndWritesTheGoldenFile() throws IOException {
        golden("command-v1.bin", samples());
    }

    /// Likewise what version 2 added.
    @Test
    void readsAndWritesTheSecondGoldenFile() throws IOException {
        golden("command-v2.bin", secondSamples());
    }

    /// What version 1 can say is still written so: nodes of the version before can read it.
    @Test
    void theSecondVersionIsUsedOnlyWhereItIsNeeded() {
        samples().forEach(c -> assertThat(encode(c).get(0)).isEqualTo((byte) 1));
        secondSamples().forEach(c -> assertThat(encode(c).get(0)).isEqualTo((byte) 2));
        ByteBuffer plain = encode(secondSamples().get(1));
        plain.putLong(2 + 8 + 24, -1);
        refused(plain);
    }

    private static void golden(String file, List<Command> samples) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (Command command : samples) {
            ByteBuffer one = encode(command);
            all.write(ByteBuffer.allocate(4).putInt(one.remaining()).array());
            all.write(one.array());
        }
        byte[] golden = Golden.file(file, all.toByteArray());
        assertThat(all.toByteArray()).isEqualTo(golden);
        ByteBuffer in = ByteBuffer.wrap(golden);
        for (Command expected : samples) {
            int length = in.getInt();
            assertSame(CommandCodec.decode(in.slice(in.position(), length)), expected);
            in.position(in.position() + length);
        }
        assertThat(in.hasRemaining()).isFalse();
    }

    /// As version 1 writes it; younger than the golden file.
    @Test
    void resumeHasItsGoldenBytes() {
        assertThat(encode(new Command.Resume(1, 11, 8, 9, "h", 10)).array())
                .asHexString()
                .isEqualTo(
                        "0114"
                                + "0000000000000001"
                                + "000000000000000B"
                                + "0000000000000008"
                                + "0000000000000009"
                                + "000168"
                                + "000000000000000A");
    }

    /// As version 2 writes them; younger than its golden file.
    @Test
    void whatRemembersEndedAttachmentsHasItsGoldenBytes() {
        assertThat(encode(new Command.Attach(1, AttachMode.SHARED, 8, 9, "h", 10, true)).array())
                .asHexString()
                .isEqualTo(
                        "020B"
                                + "0000000000000001"
                                + "01"
                                + "0000000000000008"
                                + "0000000000000009"
                                + "000168"
                                + "000000000000000A");
        assertThat(encode(new Command.Detach(1, 11, true)).array())
                .asHexString()
                .isEqualTo("020C" + "0000000000000001" + "000000000000000B");
        assertThat(encode(new Command.Resume(1, 11, 8, 9, "h", 10, true)).array())
                .asHexString()
                .isEqualTo(
                        "0214"
                                + "0000000000000001"
                                + "000000000000000B"
                                + "0000000000000008"
                                + "0000000000000009"
                                + "000168"
                                + "000000000000000A");
    }

    @Test
    void whatIsBasedOnAVersionHasItsGoldenBytes() {
        Command.Attach attach = new Command.Attach(1, AttachMode.SHARED, 8, 9, "h", 10, true, 12);
        assertThat(encode(attach).array())
                .asHexString()
                .isEqualTo(
                        "030B"
                                + "0000000000000001"
                                + "01"
                                + "0000000000000008"
                                + "0000000000000009"
                                + "000168"
                                + "000000000000000A"
                                + "000000000000000C");
        Command delete =
                new Command.IfUnchanged(
                        List.of(new Seen(1, 7), new Seen(2, 8)),
                        new Command.DeleteSnapshot(1, "s"));
        assertThat(encode(delete).array())
                .asHexString()
                .isEqualTo(
                        "030F"
                                + "0002"
                                + "0000000000000001"
                                + "0000000000000007"
                                + "0000000000000002"
                                + "0000000000000008"
                                + "0109"
                                + "0000000000000001"
                                + "000173");
    }

    @Test
    void conditionsAreForWhatAdministratorsChange() {
        List<Seen> seen = List.of(new Seen(1, 7));
        for (Command command : samples()) {
            Command conditional = new Command.IfUnchanged(seen, command);
            ByteBuffer out = ByteBuffer.allocate(CommandCodec.size(conditional));
            boolean may =
                    switch (command) {
                        case Command.DeleteVolume c -> true;
                        case Command.Resize c -> true;
                        case Command.SetLimits c -> true;
                        case Command.CreateSnapshots c -> true;
                        case Command.DeleteSnapshot c -> true;
                        case Command.Rollback c -> true;
                        default -> false;
                    };
            if (may) {
                assertSame(CommandCodec.decode(encode(conditional)), conditional);
            } else {
                assertThatThrownBy(() -> CommandCodec.encode(conditional, out))
                        .isInstanceOf(CisternException.class);
            }
        }
        ByteBuffer nested = ByteBuffer.allocate(100);
        nested.put((byte) 3).put((byte) 15).putShort((short) 1).putLong(1).putLong(7);
        refused(nested.put(encode(new Command.Detach(1, 2))).flip());
        ByteBuffer none = ByteBuffer.allocate(100);
        none.put((byte) 3).put((byte) 15).putShort((short) 0);
        refused(none.put(encode(new Command.DeleteVolume(1))).flip());
    }

    private static void refused(ByteBuffer in) {
        assertThatThrownBy(() -> CommandCodec.decode(in))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID));
    }

    private static Command.Write write(long seed, int blocks) {
        ByteBuffer data = ByteBuffer.allocate(blocks * BLOCK);
        for (int i = 0; data.hasRemaining(); i++) {
            data.putInt((int) seed * 31 + (i >> 6));
        }
        data.flip();
        return new Command.Write(
                seed, new Origin(2, 3, 1), 4, 5 * BLOCK, Crc32c.ofBlocks(data), data);
    }

    private static List<Command> secondSamples() {
        Command.Write w = write(1, 1);
        Origin guarded = new Origin(2, 5, 3, 7);
        return List.of(
                new Command.Write(1, guarded, 4, 4096, w.crcs(), w.data(), true),
                new Command.Write(1, guarded, 0, 4096, w.crcs(), w.data(), false),
                new Command.Write(1, new Origin(2, 6, 3), 4, 4096, w.crcs(), w.data(), true),
                new Command.Zero(1, guarded, 0, 1 << 20, true),
                new Command.ReplaceRecord(1, guarded, ByteBuffer.wrap(new byte[] {1, 2, 3})),
                new Command.Settle(1, guarded, 4, 513),
                new Command.Settle(1, new Origin(2, 7, 3), 4, 1));
    }

    private static List<Command> samples() {
        Limits limits = new Limits(100, 1 << 20);
        return List.of(
                write(1, 1),
                new Command.Zero(1, new Origin(2, 4, 2), 0, 1 << 20, true),
                new Command.CreateVolume(1, 1L << 40, limits, 1_700_000_000_000L),
                new Command.CloneVolume(2, 1, "täglich", Limits.NONE, 5),
                new Command.DeleteVolume(2),
                new Command.Resize(1, 1L << 41),
                new Command.SetLimits(1, limits),
                new Command.CreateSnapshots(List.of(new Target(1, "a"), new Target(3, "a")), 6),
                new Command.DeleteSnapshot(1, "a"),
                new Command.Rollback(1, "a", "before-a", 7),
                new Command.Attach(1, AttachMode.SHARED, 8, 9, "host/123", 10),
                new Command.Detach(1, 11));
    }

    @Provide
    Arbitrary<Integer> types() {
        return Arbitraries.integers().between(0, 21);
    }

    @Provide
    Arbitrary<Command> commands() {
        Arbitrary<Long> id = Arbitraries.longs();
        Arbitrary<String> name = Arbitraries.strings().ofMaxLength(63).excludeChars('\ud800');
        Arbitrary<String> text =
                name.filter(s -> s.chars().noneMatch(c -> Character.isSurrogate((char) c)));
        Arbitrary<Origin> guarded =
                Combinators.combine(id, id, id, Arbitraries.longs().between(0, Long.MAX_VALUE))
                        .as((a, s, d, g) -> new Origin(a, s, d, g));
        Arbitrary<Origin> origin =
                Arbitraries.oneOf(
                        Combinators.combine(id, id, id).as((a, s, d) -> new Origin(a, s, d)),
                        guarded);
        Arbitrary<Limits> limits = Combinators.combine(id, id).as(Limits::new);
        Arbitrary<Long> blocks =
                Arbitraries.longs().between(0, Long.MAX_VALUE / BLOCK).map(b -> b * BLOCK);
        Arbitrary<Long> someBlocks =
                Arbitraries.longs().between(1, Long.MAX_VALUE / BLOCK).map(b -> b * BLOCK);
        Arbitrary<Target> target = Combinators.combine(id, text).as(Target::new);
        List<Arbitrary<? extends Command>> all = new ArrayList<>();
        all.add(
                Combinators.combine(id, Arbitraries.integers().between(1, 9))
                        .as(CommandCodecTest::write));
        all.add(
                Combinators.combine(id, origin, blocks, someBlocks, Arbitraries.of(true, false))
                        .as(Command.Zero::new));
        all.add(Combinators.combine(id, id, limits, id).as(Command.CreateVolume::new));
        all.add(Combinators.combine(id, id, text, limits, id).as(Command.CloneVolume::new));
        all.add(id.map(Command.DeleteVolume::new));
        all.add(Combinators.combine(id, id).as(Command.Resize::new));
        all.add(Combinators.combine(id, limits).as(Command.SetLimits::new));
        all.add(
                Combinators.combine(target.list().ofMaxSize(20), id)
                        .as(Command.CreateSnapshots::new));
        all.add(Combinators.combine(id, text).as(Command.DeleteSnapshot::new));
        all.add(Combinators.combine(id, text, text, id).as(Command.Rollback::new));
        all.add(
                Combinators.combine(id, Arbitraries.of(AttachMode.class), id, id, text, id)
                        .as((v, mode, high, low, holder, time) ->
                                new Command.Attach(
                                        v, mode, high, low, holder, time, low % 2 == 0, high)));
        all.add(
                Combinators.combine(
                                Combinators.combine(id, id)
                                        .as(Seen::new)
                                        .list()
                                        .ofMinSize(1)
                                        .ofMaxSize(5),
                                Arbitraries.oneOf(
                                        id.map(Command.DeleteVolume::new),
                                        Combinators.combine(id, text)
                                                .as(Command.DeleteSnapshot::new),
                                        Combinators.combine(id, text, text, id)
                                                .as(Command.Rollback::new)))
                        .as(Command.IfUnchanged::new));
        all.add(Combinators.combine(id, id).as((v, a) -> new Command.Detach(v, a, v % 2 == 0)));
        all.add(
                Combinators.combine(id, id, id, id, text, id)
                        .as((v, a, high, low, holder, time) ->
                                new Command.Resume(v, a, high, low, holder, time, low % 2 == 0)));
        all.add(
                Combinators.combine(id, origin, Arbitraries.of(true, false))
                        .as((seed, from, atomic) -> {
                            Command.Write w = write(seed, 2);
                            return new Command.Write(
                                    seed, from, 1, w.offset(), w.crcs(), w.data(), atomic);
                        }));
        all.add(
                Combinators.combine(
                                id, guarded, Arbitraries.bytes().array(byte[].class).ofMaxSize(100))
                        .as((volume, from, bytes) ->
                                new Command.ReplaceRecord(volume, from, ByteBuffer.wrap(bytes))));
        all.add(Combinators.combine(id, origin, id, id).as(Command.Settle::new));
        return Arbitraries.oneOf(all);
    }
}
