package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.Queries;
import io.cistern.block.fs.engine.Reply;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.FileChange;
import io.cistern.storage.Command.Limits;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/// A directory with very many entries: what is done with one of them costs no more than elsewhere.
/// `-Dcistern.test.entries=1000000` for the number that is promised.
@SuppressWarnings("NullAway.Init")
class LargeDirectoryTest {
    private static final int ENTRIES = Integer.getInteger("cistern.test.entries", 60_000);

    private Rig rig;
    private long index;
    private long attachment;
    private long seq;

    private Outcome apply(Command command) {
        index++;
        Outcome outcome = rig.store.apply(index, 1, command);
        rig.store.advance(index, 1);
        assertThat(outcome.error()).isNull();
        return outcome;
    }

    private Reply change(FileOp op) {
        seq++;
        FileRequest request = new FileRequest(op, Call.of(Credentials.ROOT), index);
        Origin origin = new Origin(attachment, seq, seq);
        Outcome outcome = apply(new FileChange(1, origin, 0, request.encode(), List.of()));
        Reply reply = Reply.decode(Objects.requireNonNull(outcome.reply()));
        assertThat(reply.error()).isNull();
        return reply;
    }

    private Reply ask(FileQuery query) {
        return new Queries(rig.store.share(1)).answer(query);
    }

    private static ByteString name(int i) {
        return ByteString.utf8("entry-" + i);
    }

    private long create(int from, int to) {
        long begun = System.nanoTime();
        for (int i = from; i < to; i++) {
            change(
                    new FileOp.Make(
                            FileId.ROOT,
                            name(i),
                            FileType.REGULAR,
                            CreateMode.GUARDED,
                            SetAttributes.ofMode(0644),
                            ByteString.EMPTY,
                            0,
                            0));
            if (rig.store.checkpointDue()) {
                rig.store.checkpoint();
            }
        }
        return System.nanoTime() - begun;
    }

    @Test
    void anEntryCostsTheSameAmongVeryMany() throws IOException {
        rig = new Rig(new ArrayList<>());
        try (Rig open = rig) {
            apply(new Command.CreateVolume(1, 4096, Limits.NONE, 1));
            attachment = apply(new Command.Attach(1, AttachMode.EXCLUSIVE, 1, 1, "me", 1)).value();
            change(new FileOp.Format(0));
            int some = ENTRIES / 10;
            create(0, some);
            long early = create(some, 2 * some);
            create(2 * some, 9 * some);
            long late = create(9 * some, 10 * some);
            System.out.printf(
                    "%d entries: %d us per create early, %d us late%n",
                    ENTRIES, early / some / 1000, late / some / 1000);
            assertThat(late).isLessThan(10 * early + 1_000_000_000L);
            open.store.checkpoint().join();

            long begun = System.nanoTime();
            int found = list(false);
            long listed = System.nanoTime() - begun;
            begun = System.nanoTime();
            list(true);
            long withAttributes = System.nanoTime() - begun;
            System.out.printf(
                    "listed in %d ms, with attributes in %d ms%n",
                    listed / 1_000_000, withAttributes / 1_000_000);
            assertThat(found).isEqualTo(ENTRIES);

            begun = System.nanoTime();
            int lookups = 2_000;
            for (int i = 0; i < lookups; i++) {
                ByteString name = name((int) ((long) i * ENTRIES / lookups));
                assertThat(ask(new FileQuery.Lookup(Credentials.ROOT, FileId.ROOT, name)).error())
                        .isNull();
            }
            System.out.printf("%d us per lookup%n", (System.nanoTime() - begun) / lookups / 1000);
            change(new FileOp.Remove(FileId.ROOT, name(ENTRIES / 2), false));
        }
    }

    private int list(boolean attributes) {
        int found = 0;
        long cookie = 0;
        long verifier = 0;
        while (true) {
            Reply page =
                    ask(
                            new FileQuery.ListEntries(
                                    Credentials.ROOT,
                                    FileId.ROOT,
                                    cookie,
                                    verifier,
                                    4096,
                                    attributes));
            assertThat(page.error()).isNull();
            found += page.entries().size();
            verifier = page.values().get(1);
            if (page.values().get(0) == 1) {
                return found;
            }
            cookie = page.entries().getLast().cookie();
        }
    }
}
