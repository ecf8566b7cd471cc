package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.Crc32c;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.CreateSnapshots.Target;
import io.cistern.storage.Command.IfUnchanged.Seen;
import io.cistern.storage.Command.Limits;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A store's behaviour, one case each.
class StoreTest {
    private static final UUID CLUSTER = new UUID(1, 2);
    private static final int BLOCK = 4096;

    @TempDir Path directory;
    private Disk disk;
    private Store store;
    private long index;
    private long seq;
    private long attachment;

    @BeforeEach
    void open() {
        disk = Disk.format(config());
        store = disk.openStore(1);
        apply(new Command.CreateVolume(7, 1 << 30, Limits.NONE, 5));
        attachment = apply(new Command.Attach(7, AttachMode.EXCLUSIVE, 1, 2, "me", 6)).value();
    }

    @AfterEach
    void close() {
        disk.close();
    }

    private DiskConfig config() {
        return DiskConfig.of(directory, CLUSTER, "n1")
                .withExtent(8 << 20)
                .withBackground(false)
                .withHalt((message, cause) -> {
                    throw new AssertionError(message, cause);
                });
    }

    private Outcome apply(Command command) {
        index++;
        Outcome outcome = store.apply(index, 1, command);
        store.advance(index, 1);
        return outcome;
    }

    private Outcome write(long offset, byte[] data) {
        ByteBuffer buffer = ByteBuffer.wrap(data).asReadOnlyBuffer();
        seq++;
        return apply(
                new Command.Write(
                        7,
                        new Origin(attachment, seq, seq),
                        0,
                        offset,
                        Crc32c.ofBlocks(buffer),
                        buffer));
    }

    private static byte[] bytes(int blocks, long seed) {
        byte[] data = new byte[blocks * BLOCK];
        new Random(seed).nextBytes(data);
        return data;
    }

    private byte[] read(View view, long offset, int length) {
        ByteBuffer dst = ByteBuffer.allocate(length);
        store.read(view, offset, dst);
        return dst.array();
    }

    private byte[] read(long offset, int length) {
        return read(store.headView(7), offset, length);
    }

    private void reopen() {
        disk.close();
        disk = Disk.open(config());
        store = disk.openStore(1);
    }

    @Test
    void readsWhatWasWrittenAtAnyAlignment() {
        byte[] data = bytes(40, 1);
        assertThat(write(5 * BLOCK, data)).isEqualTo(Outcome.DONE);
        assertThat(read(5 * BLOCK, data.length)).isEqualTo(data);
        byte[] part = java.util.Arrays.copyOfRange(data, 1000, 1000 + 77_777);
        assertThat(read(5 * BLOCK + 1000, part.length)).isEqualTo(part);
        ByteBuffer direct = ByteBuffer.allocateDirect(part.length);
        assertThat(store.tryRead(store.headView(7), 5 * BLOCK + 1000, direct)).isTrue();
        assertThat(direct.flip()).isEqualTo(ByteBuffer.wrap(part));
        assertThat(read(0, BLOCK)).isEqualTo(new byte[BLOCK]);
    }

    @Test
    void keepsWhatWasCheckpointedOverAReopen() throws Exception {
        byte[] data = bytes(40, 2);
        write(3 * BLOCK, data);
        LogPosition at = store.checkpoint().get();
        assertThat(at).isEqualTo(new LogPosition(1, index));
        write(3 * BLOCK, bytes(1, 3));
        reopen();
        assertThat(store.applied()).isEqualTo(at);
        assertThat(read(4 * BLOCK, 39 * BLOCK))
                .isEqualTo(java.util.Arrays.copyOfRange(data, BLOCK, data.length));
        assertThat(store.volumes().getFirst().attachments()).hasSize(1);
    }

    @Test
    void repeatedWriteHasNoSecondEffect() {
        byte[] first = bytes(1, 1);
        write(0, first);
        Origin again = new Origin(attachment, seq, seq);
        ByteBuffer other = ByteBuffer.wrap(bytes(1, 2));
        Command.Write repeat = new Command.Write(7, again, 0, 0, Crc32c.ofBlocks(other), other);
        assertThat(apply(repeat)).isEqualTo(Outcome.DONE);
        assertThat(read(0, BLOCK)).isEqualTo(first);
        assertThat(store.executed(7, again)).isEqualTo(Outcome.DONE);
    }

    /// A request that was held up somewhere, and sent again meanwhile.
    @Test
    void anAttachThatArrivesAgainAfterItsEndFencesNobody() throws Exception {
        Command.Attach first = new Command.Attach(7, AttachMode.EXCLUSIVE, 30, 1, "a", 6, true);
        long granted = apply(first).value();
        assertThat(apply(first).value()).as("sent twice, granted once").isEqualTo(granted);
        apply(new Command.Detach(7, granted, true));
        Command.Attach second = new Command.Attach(7, AttachMode.EXCLUSIVE, 31, 1, "b", 6, true);
        long newer = apply(second).value();
        assertThat(apply(first).error()).isEqualTo(ErrorCode.FENCED);
        assertThat(store.volumes().getFirst().attachments())
                .extracting(VolumeState.Attachment::id)
                .containsExactly(newer);
        Command.Attach third = new Command.Attach(7, AttachMode.EXCLUSIVE, 32, 1, "c", 6, true);
        long newest = apply(third).value();
        store.checkpoint().get();
        reopen();
        assertThat(apply(second).error())
                .as("taken over, and after a restart")
                .isEqualTo(ErrorCode.FENCED);
        assertThat(store.volumes().getFirst().attachments())
                .extracting(VolumeState.Attachment::id)
                .containsExactly(newest);
        for (int i = 0; i < 2 * EndedAttachments.MOST; i++) {
            assertThat(
                            apply(
                                            new Command.Attach(
                                                    7,
                                                    AttachMode.EXCLUSIVE,
                                                    100 + i,
                                                    1,
                                                    "d",
                                                    6,
                                                    true))
                                    .error())
                    .isNull();
        }
        store.checkpoint().get();
        reopen();
        assertThat(store.volumes().getFirst().attachments()).hasSize(1);
    }

    private long version() {
        return store.volumes().getFirst().version();
    }

    private void passBy(int times) {
        for (int i = 0; i < times; i++) {
            long passing =
                    apply(
                                    new Command.Attach(
                                            7,
                                            AttachMode.READ_ONLY,
                                            200 + i,
                                            1,
                                            "p",
                                            6,
                                            true,
                                            version()))
                            .value();
            apply(new Command.Detach(7, passing, true));
        }
    }

    /// However late, whatever is remembered of it.
    @Test
    void anAttachThatArrivesWhenItsEndIsForgottenFencesNobody() {
        Command.Attach first =
                new Command.Attach(7, AttachMode.EXCLUSIVE, 30, 1, "a", 6, true, version());
        apply(new Command.Detach(7, apply(first).value(), true));
        passBy(EndedAttachments.MOST);
        long newer =
                apply(new Command.Attach(7, AttachMode.EXCLUSIVE, 31, 1, "b", 6, true, version()))
                        .value();
        assertThat(apply(first).error()).isEqualTo(ErrorCode.FENCED);
        assertThat(store.volumes().getFirst().attachments())
                .extracting(VolumeState.Attachment::id)
                .containsExactly(newer);
        Command.Attach unfounded = new Command.Attach(7, AttachMode.EXCLUSIVE, 30, 1, "a", 6, true);
        assertThat(apply(unfounded).value())
                .as("of a client that does not say what it had seen")
                .isEqualTo(index);
    }

    /// One attach may end as many attachments as are remembered.
    @Test
    void eachAttachmentThatEndsCountsAsAChange() {
        Command.Attach first =
                new Command.Attach(7, AttachMode.EXCLUSIVE, 30, 1, "a", 6, true, version());
        apply(first);
        for (int i = 0; i < VolumeState.MAX_ATTACHMENTS; i++) {
            assertThat(
                            apply(
                                            new Command.Attach(
                                                    7,
                                                    AttachMode.SHARED,
                                                    100 + i,
                                                    1,
                                                    "s",
                                                    6,
                                                    true,
                                                    version()))
                                    .error())
                    .isNull();
        }
        long before = version();
        long newer =
                apply(new Command.Attach(7, AttachMode.EXCLUSIVE, 31, 1, "b", 6, true, version()))
                        .value();
        assertThat(version()).isEqualTo(before + VolumeState.MAX_ATTACHMENTS + 1);
        assertThat(apply(first).error()).isEqualTo(ErrorCode.FENCED);
        assertThat(store.volumes().getFirst().attachments())
                .extracting(VolumeState.Attachment::id)
                .containsExactly(newer);
        assertThat(volumeRow()[0]).as("a row as before").isEqualTo((byte) 3);
    }

    private Command now(Command command) {
        return new Command.IfUnchanged(List.of(new Seen(7, version())), command);
    }

    /// Requests of administrators that arrive once more, after their effect and what came after it.
    @Test
    void whatAnAdministratorChangesIsChangedOnceHoweverLateItArrivesAgain() {
        apply(new Command.Detach(7, attachment));
        Command create = now(new Command.CreateSnapshots(List.of(new Target(7, "s")), 9));
        assertThat(apply(create).error()).isNull();
        Command delete = now(new Command.DeleteSnapshot(7, "s"));
        assertThat(apply(delete).error()).isNull();
        assertThat(apply(create).error()).as("a deleted snapshot").isEqualTo(ErrorCode.CHANGED);
        Command grow = now(new Command.Resize(7, 2L << 30));
        assertThat(apply(now(new Command.CreateSnapshots(List.of(new Target(7, "s")), 10))).error())
                .isNull();
        assertThat(apply(delete).error()).as("another snapshot").isEqualTo(ErrorCode.CHANGED);
        assertThat(apply(grow).error()).as("looked before").isEqualTo(ErrorCode.CHANGED);
        Command back = now(new Command.Rollback(7, "s", "safe", 11));
        assertThat(apply(back).error()).isNull();
        assertThat(apply(now(new Command.DeleteSnapshot(7, "safe"))).error()).isNull();
        long branch = store.volumes().getFirst().branch();
        assertThat(apply(back).error()).as("rolled back before").isEqualTo(ErrorCode.CHANGED);
        assertThat(store.volumes().getFirst().branch()).isEqualTo(branch);
        Command limit = now(new Command.SetLimits(7, new Limits(5, 5)));
        assertThat(apply(limit).error()).isNull();
        assertThat(apply(now(new Command.SetLimits(7, Limits.NONE))).error()).isNull();
        assertThat(apply(limit).error()).isEqualTo(ErrorCode.CHANGED);
        assertThat(store.volumes().getFirst().limits()).isEqualTo(Limits.NONE);
        assertThat(apply(new Command.DeleteSnapshot(7, "s")).error())
                .as("without a condition, as it always was")
                .isNull();
    }

    /// Who was told that something cannot be must not find later that it was done.
    @Test
    void aRefusalIsFinalToo() {
        apply(new Command.Detach(7, attachment));
        apply(now(new Command.CreateSnapshots(List.of(new Target(7, "s")), 9)));
        apply(new Command.CloneVolume(8, 7, "s", Limits.NONE, 10));
        Command snapshot = now(new Command.DeleteSnapshot(7, "s"));
        assertThat(apply(snapshot).error()).isEqualTo(ErrorCode.BUSY);
        Command volume = now(new Command.DeleteVolume(7));
        assertThat(apply(volume).error()).isEqualTo(ErrorCode.BUSY);
        apply(new Command.DeleteVolume(8));
        assertThat(apply(snapshot).error()).isEqualTo(ErrorCode.CHANGED);
        assertThat(apply(volume).error()).isEqualTo(ErrorCode.CHANGED);
        assertThat(store.volumes().getFirst().snapshots()).hasSize(1);
        assertThat(apply(now(new Command.DeleteVolume(7))).error()).isNull();
        assertThat(apply(volume).error()).isEqualTo(ErrorCode.NOT_FOUND);
    }

    @Test
    void aConditionHoldsForEachOfItsVolumes() {
        apply(new Command.CreateVolume(8, 1 << 20, Limits.NONE, 5));
        long other =
                store.volumes().stream().filter(v -> v.volume() == 8).toList().getFirst().version();
        Command both =
                new Command.IfUnchanged(
                        List.of(new Seen(7, version()), new Seen(8, other)),
                        new Command.CreateSnapshots(
                                List.of(new Target(7, "s"), new Target(8, "s")), 9));
        apply(new Command.SetLimits(8, new Limits(1, 1)));
        assertThat(apply(both).error()).isEqualTo(ErrorCode.CHANGED);
        assertThat(store.volumes()).allMatch(v -> v.snapshots().isEmpty());
    }

    /// As nodes of the release before do, beside which this one may run.
    @Test
    void entriesOfTheFirstVersionRememberNothing() throws Exception {
        Command.Attach first = new Command.Attach(7, AttachMode.EXCLUSIVE, 30, 1, "a", 6);
        long granted = apply(first).value();
        apply(new Command.Detach(7, granted));
        assertThat(apply(first).value()).as("carried out again").isEqualTo(index);
        apply(new Command.Resume(7, index, 31, 1, "b", 6));
        assertThat(volumeRow()[0]).as("readable by that release").isEqualTo((byte) 1);
        Command.Attach again = new Command.Attach(7, AttachMode.EXCLUSIVE, 31, 1, "b", 6, true);
        long taken = apply(again.remembering(true)).value();
        apply(new Command.Detach(7, taken, true));
        assertThat(apply(again).error()).isEqualTo(ErrorCode.FENCED);
        assertThat(volumeRow()[0]).isEqualTo((byte) 3);
        assertThat(apply(again.remembering(false)).error()).isNull();
    }

    /// As it stands on the disk and travels in a copy.
    private byte[] volumeRow() {
        try (StoreExport export = store.export()) {
            return TableCopy.decode(export.table(), 1).rows().entrySet().stream()
                    .filter(row -> row.getKey().get(8) == Keys.VOLUME)
                    .map(Map.Entry::getValue)
                    .findFirst()
                    .orElseThrow();
        }
    }

    @Test
    void exclusiveAttachFencesTheOneBefore() {
        apply(new Command.Attach(7, AttachMode.EXCLUSIVE, 3, 4, "other", 6));
        assertThat(write(0, bytes(1, 1)).error()).isEqualTo(ErrorCode.FENCED);
        assertThat(read(0, BLOCK)).isEqualTo(new byte[BLOCK]);
    }

    /// What the earlier life of a holder sent late has no effect, and its numbers begin anew.
    @Test
    void aResumedAttachmentIsAnotherOneWithNumbersOfItsOwn() {
        byte[] first = bytes(1, 1);
        write(0, first);
        Command.Resume resume = new Command.Resume(7, attachment, 5, 6, "me again", 7);
        long resumed = apply(resume).value();
        assertThat(resumed).isEqualTo(index);
        assertThat(apply(resume).value()).as("asked again").isEqualTo(resumed);
        assertThat(write(0, bytes(1, 2)).error()).isEqualTo(ErrorCode.FENCED);
        assertThat(read(0, BLOCK)).isEqualTo(first);
        ByteBuffer data = ByteBuffer.wrap(bytes(1, 3));
        assertThat(
                        apply(
                                new Command.Write(
                                        7,
                                        new Origin(resumed, 1, 1),
                                        0,
                                        0,
                                        Crc32c.ofBlocks(data),
                                        data)))
                .isEqualTo(Outcome.DONE);
        assertThat(read(0, BLOCK)).isEqualTo(data.array());
        assertThat(store.volumes().getFirst().attachments())
                .singleElement()
                .satisfies(a -> {
                    assertThat(a.mode()).isEqualTo(AttachMode.EXCLUSIVE);
                    assertThat(a.holder()).isEqualTo("me again");
                });
    }

    @Test
    void anAttachmentThatWasTakenOverIsNotResumed() {
        long other = apply(new Command.Attach(7, AttachMode.EXCLUSIVE, 3, 4, "other", 6)).value();
        assertThat(apply(new Command.Resume(7, attachment, 5, 6, "me", 7)).error())
                .isEqualTo(ErrorCode.FENCED);
        assertThat(store.volumes().getFirst().attachments())
                .extracting(VolumeState.Attachment::id)
                .containsExactly(other);
        assertThat(apply(new Command.Resume(9, 1, 5, 6, "me", 7)).error())
                .isEqualTo(ErrorCode.NOT_FOUND);
    }

    @Test
    void snapshotStaysWhileTheHeadChanges() throws Exception {
        byte[] old = bytes(20, 1);
        write(0, old);
        apply(new Command.CreateSnapshots(List.of(new Target(7, "s")), 9));
        byte[] young = bytes(3, 2);
        write(2 * BLOCK, young);
        apply(new Command.Zero(7, new Origin(attachment, ++seq, seq), 10 * BLOCK, 2 * BLOCK, true));
        assertThat(read(store.snapshotView(7, "s"), 0, old.length)).isEqualTo(old);
        byte[] now = old.clone();
        System.arraycopy(young, 0, now, 2 * BLOCK, young.length);
        java.util.Arrays.fill(now, 10 * BLOCK, 12 * BLOCK, (byte) 0);
        assertThat(read(0, now.length)).isEqualTo(now);
        store.checkpoint().get();
        reopen();
        assertThat(read(store.snapshotView(7, "s"), 0, old.length)).isEqualTo(old);
        assertThat(read(0, now.length)).isEqualTo(now);
    }

    /// Without waiting for the checkpoint that time alone brings ([CheckpointPolicy#DUE_NANOS]).
    @Test
    void aNotableAmountOfDiscardedSpaceIsFreeAgainSoon() {
        disk.close();
        disk = Disk.open(config().withBackground(true));
        store = disk.openStore(1);
        index = store.applied().index();
        apply(new Command.CreateVolume(7, 1 << 30, Limits.NONE, 5));
        attachment = apply(new Command.Attach(7, AttachMode.EXCLUSIVE, 1, 2, "me", 6)).value();
        seq = 0;
        byte[] block = bytes(1, 3);
        int slots = CheckpointPolicy.NOTABLE_FREED;
        for (int i = 0; i < slots; i++) {
            write((long) i * Slots.SLOT_BYTES, block);
        }
        long used = store.usage().usedBytes();
        assertThat(used).isEqualTo((long) slots * Slots.SLOT_BYTES);
        seq++;
        apply(
                new Command.Zero(
                        7,
                        new Origin(attachment, seq, seq),
                        0,
                        (long) slots * Slots.SLOT_BYTES,
                        true));
        Awaitility.await()
                .atMost(Duration.ofNanos(CheckpointPolicy.DUE_NANOS / 2))
                .until(() -> store.usage().usedBytes() == 0);
    }
}
