package io.cistern.nas.recovery;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.ByteString;
import io.cistern.nas.state.ChannelAttributes;
import io.cistern.nas.state.Kinds;
import io.cistern.nas.state.KnownClient;
import io.cistern.nas.state.KnownClient.KnownSession;
import io.cistern.nas.state.Principal;
import io.cistern.nas.state.SessionId;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class ClientRecordTest {
    @Provide
    Arbitrary<KnownSession> sessions() {
        return Combinators.combine(
                        Arbitraries.longs(),
                        Arbitraries.integers(),
                        Arbitraries.integers().between(1, 128))
                .as((id, n, slots) ->
                        new KnownSession(
                                new SessionId(id, n, ~n),
                                new ChannelAttributes(n, n + 1, n + 2, n + 3, slots)));
    }

    @Property(tries = 200)
    void recordsAreReadAsTheyWereWritten(
            @ForAll @Size(min = 1, max = 64) byte[] owner,
            @ForAll long id,
            @ForAll int number,
            @ForAll @IntRange(max = Kinds.ALL) int kinds,
            @ForAll("sessions") KnownSession one,
            @ForAll("sessions") KnownSession two) {
        KnownClient client =
                new KnownClient(
                        ByteString.of(owner),
                        id,
                        number,
                        ~id,
                        new Principal(1, number, -1),
                        "10.0.0.1",
                        number,
                        number + 1,
                        kinds,
                        List.of(one, two));
        ByteString bytes = ClientRecord.encode(client);
        assertThat(ClientRecord.decode(bytes)).isEqualTo(client);
        byte[] cut = Arrays.copyOf(bytes.toByteArray(), bytes.length() - 4);
        assertThat(ClientRecord.decode(ByteString.of(cut))).isNull();
    }

    @Property(tries = 200)
    void whatIsNoRecordIsNotTakenForOne(@ForAll @Size(max = 200) byte[] bytes) {
        KnownClient read = ClientRecord.decode(ByteString.of(bytes));
        assertThat(read == null || bytes[0] == 1 || bytes[0] == 2 || bytes[0] == 3).isTrue();
    }

    @Test
    void recordsOfEarlierServersSayWhoMayReclaim() {
        KnownClient old = ClientRecord.decode(ByteString.of(new byte[] {1, 'm', 'e'}));
        assertThat(old).isNotNull();
        assertThat(old.owner()).isEqualTo(ByteString.utf8("me"));
        assertThat(old.kinds()).isEqualTo(Kinds.ALL);
        assertThat(old.id()).isZero();
    }

    @Test
    void recordsThatSayOnlyWhetherAClientHadOpensStandForEveryKind() {
        assertThat(kindsWhereTheRecordSays(1)).isEqualTo(Kinds.ALL);
        assertThat(kindsWhereTheRecordSays(0)).isEqualTo(Kinds.NONE);
    }

    private static int kindsWhereTheRecordSays(int had) {
        KnownClient client =
                new KnownClient(
                        ByteString.utf8("me"),
                        1,
                        2,
                        3,
                        new Principal(1, 0, 0),
                        "",
                        1,
                        1,
                        had,
                        List.of());
        byte[] record = ClientRecord.encode(client).toByteArray();
        record[0] = 2;
        KnownClient read = ClientRecord.decode(ByteString.of(record));
        assertThat(read).isNotNull();
        return read.kinds();
    }
}
