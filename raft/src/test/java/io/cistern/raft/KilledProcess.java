package io.cistern.raft;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Semaphore;

/// A process with the replica of a lone group that writes as fast as it can, and prints each
/// command once it is acknowledged, until it is killed.
public final class KilledProcess {
    private KilledProcess() {}

    /// @param args the data directory and the first number to write
    public static void main(String[] args) throws Exception {
        Cluster cluster = Cluster.of(Path.of(args[0]), 1);
        RaftGroup leader = cluster.leader();
        Semaphore slots = new Semaphore(64);
        for (int i = Integer.parseInt(args[1]); ; i++) {
            slots.acquire();
            String command = "k" + i;
            leader.propose(ByteBuffer.wrap(command.getBytes(StandardCharsets.UTF_8)))
                    .thenRun(() -> {
                        System.out.println(command);
                        System.out.flush();
                        slots.release();
                    });
        }
    }
}
