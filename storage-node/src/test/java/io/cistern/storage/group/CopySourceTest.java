package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.LogPosition;
import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLimits;
import io.cistern.raft.net.RpcLoops;
import io.cistern.storage.Command;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Disk;
import io.cistern.storage.DiskConfig;
import io.cistern.storage.Store;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// How long a copy keeps the log of the replica it is taken from.
@SuppressWarnings("NullAway.Init")
class CopySourceTest {
    private static final UUID CLUSTER = new UUID(1, 2);

    @TempDir Path directory;
    private Disk disk;
    private Store store;
    private RpcLoops loops;
    private RpcClient client;
    private NodeParts parts;
    private CopySource copies;
    private final Map<String, Long> matched = new ConcurrentHashMap<>();

    @BeforeEach
    void open() {
        disk =
                Disk.format(
                        DiskConfig.of(directory.resolve("n1"), CLUSTER, "n1")
                                .withExtent(4 << 20)
                                .withCapacity(64 << 20)
                                .withBackground(false));
        store = disk.openStore(1);
        loops = new RpcLoops("copy-source-test", 1);
        RpcIdentity identity = new RpcIdentity(RpcIdentity.SERVICE_NODE, CLUSTER, "n1");
        client = new RpcClient(identity, RpcLimits.DEFAULT, null, loops);
        NodePeers peers = new NodePeers(client, node -> null, Duration.ofSeconds(5));
        parts = new NodeParts(new PooledThreads("n1"), peers, GroupTuning.DEFAULT);
        copies =
                new CopySource(
                        store,
                        () -> {
                            throw new AssertionError("nothing is damaged");
                        },
                        receiver -> matched.getOrDefault(receiver, -1L),
                        new IoMeter(System::nanoTime),
                        parts);
        create(1);
    }

    @AfterEach
    void close() {
        copies.closeAll();
        parts.close();
        client.close();
        loops.close();
        disk.close();
    }

    private void create(long volume) {
        long index = store.applied().index() + 1;
        store.apply(index, 1, new Command.CreateVolume(volume, 1 << 20, Limits.NONE, 0));
        store.advance(index, 1);
    }

    private void takeTable(WireCopy.Opened opened) {
        assertThat((long) copies.table(opened.session(), 0).remaining())
                .isEqualTo(opened.tableBytes());
    }

    @Test
    void aCopyThatIsGivenUpFreesTheLogAtOnce() {
        WireCopy.Opened opened = copies.open("n2");
        assertThat(copies.oldest()).isEqualTo(opened.position());
        copies.close(opened.session());
        assertThat(copies.oldest()).isNull();
    }

    @Test
    void aNewerCopyOfTheSameReceiverEndsItsOlderOne() {
        WireCopy.Opened other = copies.open("n3");
        create(2);
        WireCopy.Opened older = copies.open("n2");
        create(3);
        copies.close(other.session());
        assertThat(copies.oldest()).isEqualTo(older.position());
        WireCopy.Opened newer = copies.open("n2");
        LogPosition now = copies.oldest();
        assertThat(now).isEqualTo(newer.position()).isNotEqualTo(older.position());
        assertThatThrownBy(() -> copies.table(older.session(), 0))
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.NOT_FOUND));
        takeTable(newer);
    }

    @Test
    void aWholeCopyKeepsTheLogUntilItsReceiverHasReplayedIt() {
        WireCopy.Opened opened = copies.open("n2");
        takeTable(opened);
        create(2);
        copies.close(opened.session());
        long whole = store.applied().index();
        copies.expire();
        assertThat(copies.oldest()).isEqualTo(opened.position());
        matched.put("n2", whole - 1);
        copies.expire();
        assertThat(copies.oldest()).isEqualTo(opened.position());
        matched.put("n2", whole);
        copies.expire();
        assertThat(copies.oldest()).isNull();
    }

    @Test
    void aCopyUnderWayKeepsTheLogWhateverItsReceiverHasOfIt() {
        WireCopy.Opened opened = copies.open("n2");
        takeTable(opened);
        matched.put("n2", store.applied().index() + 10);
        copies.expire();
        assertThat(copies.oldest()).isEqualTo(opened.position());
    }
}
