package io.cistern.raft;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/// Keeps what it was given, in memory; a result is the number of commands so far. It is "durable"
/// up to where the test says.
class KeepingStateMachine implements StateMachine {
    final List<String> applied = new CopyOnWriteArrayList<>();
    final List<Leadership> leaderships = new CopyOnWriteArrayList<>();
    final List<List<Peer>> memberships = new CopyOnWriteArrayList<>();
    volatile LogPosition last = LogPosition.START;
    volatile LogPosition checkpoint = LogPosition.START;

    @Override
    public LogPosition checkpointed() {
        return checkpoint;
    }

    @Override
    public List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands) {
        List<@Nullable Object> results = new ArrayList<>();
        for (ByteBuffer command : commands) {
            byte[] bytes = new byte[command.remaining()];
            command.duplicate().get(bytes);
            results.add(applyOne(bytes));
        }
        last = position;
        return results;
    }

    @Nullable Object applyOne(byte[] command) {
        applied.add(new String(command, java.nio.charset.StandardCharsets.UTF_8));
        return applied.size();
    }

    @Override
    public void advance(LogPosition position) {
        last = position;
    }

    @Override
    public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
        return CompletableFuture.failedFuture(new UnsupportedOperationException());
    }

    @Override
    public void leadershipChanged(Leadership leadership) {
        leaderships.add(leadership);
    }

    @Override
    public void membersChanged(List<Peer> members) {
        memberships.add(members);
    }
}
