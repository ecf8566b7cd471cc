package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.Crc32c;
import io.cistern.raft.GroupId;
import io.cistern.raft.net.RpcClient;
import io.cistern.raft.net.RpcIdentity;
import io.cistern.raft.net.RpcLimits;
import io.cistern.raft.net.RpcLoops;
import io.cistern.raft.net.RpcServer;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import io.cistern.storage.Disk;
import io.cistern.storage.DiskConfig;
import io.cistern.storage.Origin;
import io.cistern.storage.Outcome;
import io.cistern.storage.Store;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A copy's receiver knows up to where it has to replay before what it has fits together.
class CopyReceiverTest {
    private static final UUID CLUSTER = new UUID(1, 2);
    private static final GroupId GROUP = new GroupId(1);
    private static final int BLOCK = 4096;

    @TempDir Path directory;

    private Disk disk(String name) {
        return Disk.format(
                DiskConfig.of(directory.resolve(name), CLUSTER, name)
                        .withExtent(4 << 20)
                        .withCapacity(64 << 20)
                        .withBackground(false));
    }

    private static Outcome apply(Store store, Command command) {
        long index = store.applied().index() + 1;
        Outcome outcome = store.apply(index, 1, command);
        store.advance(index, 1);
        return outcome;
    }

    private static void write(Store store, long attachment, int value) {
        ByteBuffer data = ByteBuffer.allocate(BLOCK).putInt(0, value);
        long seq = store.applied().index() + 1;
        Origin origin = new Origin(attachment, seq, seq);
        apply(store, new Command.Write(1, origin, 0, 0, Crc32c.ofBlocks(data), data));
    }

    @Test
    void rowsThatAreFetchedAfterTheLastPageCountToo() {
        RpcIdentity identity = new RpcIdentity(RpcIdentity.SERVICE_NODE, CLUSTER, "n1");
        try (Disk from = disk("n1");
                Disk to = disk("n2");
                RpcLoops loops = new RpcLoops("copy-test", 1);
                RpcClient client = new RpcClient(identity, RpcLimits.DEFAULT, null, loops);
                RpcServer server = new RpcServer(identity, RpcLimits.DEFAULT, null, loops)) {
            Store source = from.openStore(1);
            apply(source, new Command.CreateVolume(1, 1 << 20, Limits.NONE, 0));
            long attachment =
                    apply(source, new Command.Attach(1, AttachMode.EXCLUSIVE, 1, 1, "t", 0))
                            .value();
            write(source, attachment, 1);
            AtomicLong newest = new AtomicLong();
            InetSocketAddress[] address = new InetSocketAddress[1];
            NodePeers peers = new NodePeers(client, node -> address[0], Duration.ofSeconds(5));
            try (NodeParts parts =
                    new NodeParts(new PooledThreads("n2"), peers, GroupTuning.DEFAULT)) {
                CopySource copies =
                        new CopySource(
                                source,
                                () -> {
                                    throw new AssertionError("nothing is damaged");
                                },
                                receiver -> -1,
                                new IoMeter(System::nanoTime),
                                parts);
                server.register(
                        Wire.COPY_OPEN,
                        (in, out) -> {
                            var answer = io.netty.buffer.Unpooled.buffer();
                            copies.open("n2").encode(answer);
                            out.ok(answer);
                        });
                server.register(
                        Wire.COPY_PAGE,
                        (in, out) -> {
                            var answer = io.netty.buffer.Unpooled.buffer();
                            WireCopy.putPage(answer, copies.page(WireCopy.PageRequest.decode(in)));
                            out.ok(answer);
                        });
                server.register(
                        Wire.COPY_ROWS,
                        (in, out) -> {
                            // The source goes on meanwhile.
                            write(source, attachment, 2);
                            newest.set(source.applied().index());
                            var answer = io.netty.buffer.Unpooled.buffer();
                            WireCopy.putRows(answer, copies.rows(WireCopy.RowsRequest.decode(in)));
                            out.ok(answer);
                        });
                server.register(
                        Wire.COPY_FILES,
                        (in, out) -> {
                            var answer = io.netty.buffer.Unpooled.buffer();
                            WireCopy.putFiles(
                                    answer, copies.files(WireCopy.FilesRequest.decode(in)));
                            out.ok(answer);
                        });
                server.register(
                        Wire.COPY_TABLE,
                        (in, out) -> {
                            WireCopy.TableRequest r = WireCopy.TableRequest.decode(in);
                            out.ok(
                                    io.netty.buffer.Unpooled.copiedBuffer(
                                            copies.table(r.session(), r.offset())));
                        });
                server.register(
                        Wire.COPY_CLOSE,
                        (in, out) -> out.ok(io.netty.buffer.Unpooled.EMPTY_BUFFER));
                address[0] = server.bind(TestCluster.loopback(0));
                Store target = to.openStore(1);
                // As after a copy that was interrupted: rows are named, and asked for by name.
                target.importBegin();
                long position = new CopyReceiver(GROUP, target, parts).copy("n1", 0).index();
                assertThat(newest.get()).isGreaterThan(position);
                assertThat(target.readableFrom()).isGreaterThanOrEqualTo(newest.get());
                copies.closeAll();
            }
        }
    }
}
