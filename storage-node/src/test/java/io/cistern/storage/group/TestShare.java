package io.cistern.storage.group;

import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.block.fs.engine.EngineFileSystem;
import io.cistern.block.fs.engine.FileOp;
import io.cistern.block.fs.engine.FileQuery;
import io.cistern.block.fs.engine.FileRequest;
import io.cistern.block.fs.engine.Reply;
import io.cistern.storage.Command;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Origin;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// A share over the node wire; calls block. Queries go to the leader, or to one replica.
final class TestShare extends EngineFileSystem {
    private final TestClient client;
    private final long volume;
    private TestCluster.@Nullable Node reader;

    TestShare(TestClient client, long volume) {
        this.client = client;
        this.volume = volume;
        client.create(4096);
        client.execute(
                new Command.FileChange(
                        volume,
                        new Origin(0, 0, 0),
                        0,
                        new FileRequest(new FileOp.Format(0), Call.of(Credentials.ROOT)).encode(),
                        List.of()));
        client.attach(AttachMode.EXCLUSIVE);
    }

    /// Reads from one replica from now on, which has applied everything.
    void readFrom(TestCluster.@Nullable Node node) {
        reader = node;
    }

    @Override
    protected CompletableFuture<Reply> change(FileRequest request, @Nullable ByteBuffer data) {
        ByteBuffer encoded = request.encode();
        Origin origin = client.begin();
        try {
            ByteBuffer sent = data == null ? ByteBuffer.allocate(0) : data;
            return CompletableFuture.completedFuture(
                    Reply.decode(
                            client.retry(group ->
                                            group.change(
                                                    volume,
                                                    origin,
                                                    encoded.duplicate(),
                                                    sent.duplicate()))
                                    .reply()));
        } catch (RuntimeException e) {
            return CompletableFuture.failedFuture(e);
        } finally {
            client.end(origin);
        }
    }

    @Override
    protected CompletableFuture<Reply> ask(FileQuery query) {
        TestCluster.Node node = reader;
        if (node != null) {
            ReadRequest any = new ReadRequest(volume, null, client.attachment, 0);
            return client.at(node)
                    .query(any, query.encode())
                    .thenApply(r -> Reply.decode(r.reply()));
        }
        ReadRequest leased =
                new ReadRequest(volume, null, client.attachment, ReadRequest.LEADER_LEASE);
        return CompletableFuture.completedFuture(
                Reply.decode(client.retry(g -> g.query(leased, query.encode())).reply()));
    }

    @Override
    public CompletableFuture<Space> space() {
        return shareSpace().thenApply(s -> new Space(1L << 40, (1L << 40) - s.get(1), s.get(2), 1));
    }

    @Override
    public long owner() {
        return client.attachment;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public void close() {}
}
