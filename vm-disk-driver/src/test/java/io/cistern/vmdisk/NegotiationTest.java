package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.MemoryBlockDevice;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class NegotiationTest {
    private static final long SIZE = 8 << 20;

    /// One reply to an option, or the answer to EXPORT_NAME as type 0.
    private record Reply(int option, int type, byte[] data) {
        String text() {
            return new String(data, StandardCharsets.UTF_8);
        }
    }

    private static Negotiation negotiation(boolean readOnly) {
        return new Negotiation(new Export("disk", new MemoryBlockDevice(SIZE), readOnly));
    }

    private static byte[] flags(int flags) {
        return ByteBuffer.allocate(4).putInt(flags).array();
    }

    private static byte[] option(int option, byte[] data) {
        return ByteBuffer.allocate(16 + data.length)
                .putLong(NbdProtocol.OPTION_MAGIC)
                .putInt(option)
                .putInt(data.length)
                .put(data)
                .array();
    }

    private static byte[] go(String name, int... items) {
        byte[] text = name.getBytes(StandardCharsets.UTF_8);
        ByteBuffer b = ByteBuffer.allocate(6 + text.length + 2 * items.length);
        b.putInt(text.length).put(text).putShort((short) items.length);
        for (int item : items) {
            b.putShort((short) item);
        }
        return b.array();
    }

    private static byte[] meta(String name, String... queries) {
        ByteBuffer b = ByteBuffer.allocate(4096);
        b.putInt(name.length()).put(name.getBytes(StandardCharsets.UTF_8)).putInt(queries.length);
        for (String query : queries) {
            b.putInt(query.length()).put(query.getBytes(StandardCharsets.UTF_8));
        }
        byte[] used = new byte[b.position()];
        b.get(0, used);
        return used;
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    private static List<Reply> replies(byte[] bytes) {
        List<Reply> found = new ArrayList<>();
        ByteBuffer b = ByteBuffer.wrap(bytes);
        while (b.hasRemaining()) {
            assertThat(b.getLong()).isEqualTo(NbdProtocol.OPTION_REPLY_MAGIC);
            int option = b.getInt();
            int type = b.getInt();
            byte[] data = new byte[b.getInt()];
            b.get(data);
            found.add(new Reply(option, type, data));
        }
        return found;
    }

    private static List<Reply> ask(Negotiation negotiation, byte[]... options) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        negotiation.feed(ByteBuffer.wrap(join(options)), out);
        return replies(out.toByteArray());
    }

    @Test
    void goSendsWhatWasAskedForAndEntersTransmission() throws IOException {
        Negotiation n = negotiation(false);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteBuffer in =
                ByteBuffer.wrap(
                        join(
                                flags(3),
                                option(NbdProtocol.OPT_STRUCTURED_REPLY, new byte[0]),
                                option(NbdProtocol.OPT_GO, go("disk", 1, 2, 3, 99)),
                                new byte[] {7}));
        assertThat(n.feed(in, out)).isEqualTo(Negotiation.Outcome.TRANSMIT);
        assertThat(in.remaining()).isEqualTo(1);
        List<Reply> replies = replies(out.toByteArray());
        assertThat(replies.stream().map(Reply::type)).containsExactly(1, 3, 3, 3, 3, 1);
        ByteBuffer info = ByteBuffer.wrap(replies.get(1).data());
        assertThat(info.getShort()).isZero();
        assertThat(info.getLong()).isEqualTo(SIZE);
        assertThat(info.getShort() & 0xffff).isEqualTo(0b1101_1110_1101);
        assertThat(ByteBuffer.wrap(replies.get(4).data()).getInt(2)).isEqualTo(1);
        assertThat(ByteBuffer.wrap(replies.get(4).data()).getInt(6)).isEqualTo(4096);
        assertThat(ByteBuffer.wrap(replies.get(4).data()).getInt(10)).isEqualTo(32 << 20);
    }

    @Test
    void readOnlyExportsOfferNoWritingCommands() throws IOException {
        List<Reply> replies =
                ask(negotiation(true), flags(3), option(NbdProtocol.OPT_INFO, go("")));
        assertThat(ByteBuffer.wrap(replies.get(0).data()).getShort(10) & 0xffff)
                .isEqualTo(0b0101_0000_1111);
    }

    @Test
    void exportNameAnswersWithoutHeaderAndWithZeroesUnlessRefused() throws IOException {
        byte[] name = "disk".getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] in = join(flags(1), option(NbdProtocol.OPT_EXPORT_NAME, name));
        assertThat(negotiation(false).feed(ByteBuffer.wrap(in), out))
                .isEqualTo(Negotiation.Outcome.TRANSMIT);
        assertThat(out.size()).isEqualTo(8 + 2 + 124);
        out.reset();
        in[3] = 2;
        negotiation(false).feed(ByteBuffer.wrap(in), out);
        assertThat(out.size()).isEqualTo(8 + 2);
        byte[] wrong = join(flags(3), option(NbdProtocol.OPT_EXPORT_NAME, new byte[] {'x'}));
        assertThatThrownBy(() -> negotiation(false).feed(ByteBuffer.wrap(wrong), out))
                .isInstanceOf(NbdException.class);
    }

    @Test
    void unknownOptionsAndNamesAreRefusedAndTheHandshakeGoesOn() throws IOException {
        List<Reply> replies =
                ask(
                        negotiation(false),
                        flags(3),
                        option(5, new byte[0]),
                        option(11, new byte[0]),
                        option(77, new byte[100]),
                        option(NbdProtocol.OPT_GO, go("other")),
                        option(NbdProtocol.OPT_LIST, new byte[1]),
                        option(NbdProtocol.OPT_LIST, new byte[0]),
                        option(NbdProtocol.OPT_ABORT, new byte[3]));
        assertThat(replies.stream().map(Reply::type))
                .containsExactly(
                        NbdProtocol.REP_ERR_UNSUP,
                        NbdProtocol.REP_ERR_UNSUP,
                        NbdProtocol.REP_ERR_UNSUP,
                        NbdProtocol.REP_ERR_UNKNOWN,
                        NbdProtocol.REP_ERR_INVALID,
                        NbdProtocol.REP_SERVER,
                        NbdProtocol.REP_ACK,
                        NbdProtocol.REP_ACK);
        assertThat(replies.get(5).text().substring(4)).startsWith("disk");
    }

    @Test
    void metaContextsFollowTheirQueries() throws IOException {
        int set = NbdProtocol.OPT_SET_META_CONTEXT;
        int list = NbdProtocol.OPT_LIST_META_CONTEXT;
        Negotiation n = negotiation(false);
        assertThat(ask(n, flags(3), option(set, meta("disk", "base:allocation"))))
                .extracting(Reply::type)
                .containsExactly(NbdProtocol.REP_ERR_INVALID);
        ask(n, option(NbdProtocol.OPT_STRUCTURED_REPLY, new byte[0]));
        assertThat(ask(n, option(list, meta("", "base:", "qemu:dirty-bitmap:x"))))
                .extracting(Reply::type)
                .containsExactly(NbdProtocol.REP_META_CONTEXT, NbdProtocol.REP_ACK);
        assertThat(ask(n, option(list, meta("")))).hasSize(2);
        assertThat(n.blockStatus()).isFalse();
        assertThat(ask(n, option(set, meta("", "base:", "base:other", "nocolon")))).hasSize(1);
        assertThat(n.blockStatus()).isFalse();
        List<Reply> chosen = ask(n, option(set, meta("", "x-y:", "base:allocation")));
        assertThat(chosen.get(0).text().substring(4)).isEqualTo("base:allocation");
        assertThat(n.blockStatus()).isTrue();
        assertThat(ask(n, option(set, meta("other", "base:allocation"))))
                .extracting(Reply::type)
                .containsExactly(NbdProtocol.REP_ERR_UNKNOWN);
        assertThat(n.blockStatus()).isFalse();
    }

    @Test
    void lengthsThatDoNotFitAreInvalid() throws IOException {
        byte[] lying = go("disk", 1);
        lying[3] = 100;
        byte[] count = go("disk", 1);
        count[9] = 2;
        byte[] query = meta("disk", "base:allocation");
        query[8 + 4 + 3] = 99;
        byte[] huge = meta("disk");
        huge[8] = (byte) 0xff;
        Negotiation n = negotiation(false);
        ask(n, flags(3), option(NbdProtocol.OPT_STRUCTURED_REPLY, new byte[0]));
        List<Reply> replies =
                ask(
                        n,
                        option(NbdProtocol.OPT_GO, lying),
                        option(NbdProtocol.OPT_INFO, count),
                        option(NbdProtocol.OPT_GO, new byte[3]),
                        option(NbdProtocol.OPT_SET_META_CONTEXT, query),
                        option(NbdProtocol.OPT_LIST_META_CONTEXT, huge),
                        option(NbdProtocol.OPT_STRUCTURED_REPLY, new byte[1]));
        assertThat(replies)
                .hasSize(6)
                .allMatch(reply -> reply.type() == NbdProtocol.REP_ERR_INVALID);
    }

    @Test
    void tooLongOptionsAreSkippedAndAbsurdOnesEndTheSession() throws IOException {
        Negotiation n = negotiation(false);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] in = join(flags(3), option(NbdProtocol.OPT_LIST, new byte[200_000]));
        for (int at = 0; at < in.length; at += 7_000) {
            n.feed(ByteBuffer.wrap(in, at, Math.min(7_000, in.length - at)), out);
        }
        assertThat(ask(n, option(NbdProtocol.OPT_LIST, new byte[0]))).hasSize(2);
        assertThat(replies(out.toByteArray()))
                .extracting(Reply::type)
                .containsExactly(NbdProtocol.REP_ERR_TOO_BIG);
        ByteBuffer absurd = ByteBuffer.wrap(option(NbdProtocol.OPT_LIST, new byte[0]));
        absurd.putInt(12, -1);
        assertThatThrownBy(() -> n.feed(absurd, out)).isInstanceOf(NbdException.class);
    }

    @Test
    void wrongMagicAndUnknownFlagsEndTheSession() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertThatThrownBy(() -> negotiation(false).feed(ByteBuffer.wrap(flags(4)), out))
                .isInstanceOf(NbdException.class);
        byte[] in = join(flags(3), option(NbdProtocol.OPT_LIST, new byte[0]));
        in[4] ^= 1;
        assertThatThrownBy(() -> negotiation(false).feed(ByteBuffer.wrap(in), out))
                .isInstanceOf(NbdException.class);
    }

    @Test
    void theNumberOfOptionsIsBounded() {
        byte[][] options = new byte[Negotiation.MAX_OPTIONS + 2][];
        options[0] = flags(3);
        for (int i = 1; i < options.length; i++) {
            options[i] = option(NbdProtocol.OPT_LIST, new byte[0]);
        }
        assertThatThrownBy(() -> ask(negotiation(false), options)).isInstanceOf(NbdException.class);
    }

    /// The same bytes in any portions give the same replies.
    @Property(tries = 200)
    void portionsDoNotMatter(@ForAll long seed, @ForAll @IntRange(min = 1, max = 40) int most)
            throws IOException {
        byte[] in =
                join(
                        flags(3),
                        option(NbdProtocol.OPT_STRUCTURED_REPLY, new byte[0]),
                        option(NbdProtocol.OPT_LIST, new byte[0]),
                        option(NbdProtocol.OPT_SET_META_CONTEXT, meta("", "base:allocation")),
                        option(1234, new byte[70_000]),
                        option(NbdProtocol.OPT_GO, go("disk", 3)));
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        negotiation(false).feed(ByteBuffer.wrap(in), whole);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Negotiation n = negotiation(false);
        ByteBuffer buffer = ByteBuffer.allocate(Negotiation.MAX_OPTION_BYTES + 16).limit(0);
        Random random = new Random(seed);
        Negotiation.Outcome outcome = Negotiation.Outcome.CONTINUE;
        for (int at = 0; at < in.length; ) {
            int mostNow = at > 300 && at < 70_000 ? 40_000 : most;
            buffer.compact();
            int wanted = Math.min(in.length - at, 1 + random.nextInt(mostNow));
            int count = Math.min(wanted, buffer.remaining());
            buffer.put(in, at, count);
            at += count;
            buffer.flip();
            outcome = n.feed(buffer, out);
        }
        assertThat(outcome).isEqualTo(Negotiation.Outcome.TRANSMIT);
        assertThat(out.toByteArray()).isEqualTo(whole.toByteArray());
        assertThat(n.blockStatus()).isTrue();
    }

    /// Garbage ends in an exception, a refusal or a wish for more, never in anything else.
    @Property(tries = 500)
    void garbageDoesNoHarm(@ForAll @Size(max = 80) byte[] garbage, @ForAll boolean framed)
            throws IOException {
        byte[] in =
                framed
                        ? join(
                                flags(3),
                                option(NbdProtocol.OPT_STRUCTURED_REPLY, new byte[0]),
                                option(garbage.length == 0 ? 0 : garbage[0] & 15, garbage))
                        : garbage;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            negotiation(false).feed(ByteBuffer.wrap(in), out);
        } catch (NbdException e) {
            assertThat(e).hasMessageNotContaining("null");
        }
        assertThat(out.size()).isLessThan(1_000);
    }
}
