package io.cistern.bench;

import io.cistern.block.MemoryBlockDevice;
import io.cistern.block.Size;
import io.cistern.vmdisk.BufferPool;
import io.cistern.vmdisk.Export;
import io.cistern.vmdisk.NbdLimits;
import io.cistern.vmdisk.NbdServer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;

/// Serves a memory device over NBD, to be measured by fio beside nbdkit's memory plugin.
///
/// `NbdBench SOCKET SIZE [inline|async]`: inline completes every request in the caller; async
/// completes them on one other thread, in batches, as the volume client does with the answers of a
/// node. Runs until it is killed.
public final class NbdBench {
    private NbdBench() {}

    public static void main(String[] args) throws InterruptedException {
        if (args.length < 2) {
            throw new IllegalArgumentException("usage: NbdBench SOCKET SIZE [inline|async]");
        }
        MemoryBlockDevice device = new MemoryBlockDevice(Size.parse(args[1]));
        if (args.length > 2 && args[2].equals("async")) {
            device.gate(new Batches());
        }
        try (NbdServer server =
                NbdServer.open(
                        new Export("bench", device, false),
                        Path.of(args[0]).toAbsolutePath(),
                        new BufferPool(512 << 20),
                        NbdLimits.DEFAULT)) {
            System.out.println("serving " + args[1] + " on " + server.socket());
            Thread.currentThread().join();
        }
    }

    /// Completes what has queued, in one go, on a thread of its own.
    private static final class Batches implements MemoryBlockDevice.Gate {
        private final LinkedBlockingQueue<CompletableFuture<Void>> queue =
                new LinkedBlockingQueue<>();

        Batches() {
            Thread.ofPlatform().daemon().name("completer").start(this::run);
        }

        @Override
        public CompletableFuture<Void> pass(
                MemoryBlockDevice.Operation operation, long offset, long length) {
            CompletableFuture<Void> future = new CompletableFuture<>();
            queue.add(future);
            return future;
        }

        private void run() {
            List<CompletableFuture<Void>> batch = new ArrayList<>();
            try {
                while (true) {
                    batch.add(queue.take());
                    queue.drainTo(batch);
                    for (CompletableFuture<Void> future : batch) {
                        future.complete(null);
                    }
                    batch.clear();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
