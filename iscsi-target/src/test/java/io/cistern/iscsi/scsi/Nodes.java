package io.cistern.iscsi.scsi;

import io.cistern.block.MemoryGuardedDevice;
import java.time.Instant;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;

/// One volume of memory, offered as a logical unit by two nodes, with ports 1 and 2.
final class Nodes implements AutoCloseable {
    static final String TARGET = "iqn.2026-11.io.cistern:volume";
    static final UUID CLUSTER = UUID.fromString("11111111-2222-3333-4444-555555555555");

    final FixedPorts ports = new FixedPorts();
    final AtomicLong usedBytes = new AtomicLong();
    final AtomicLong availableBytes = new AtomicLong(1L << 40);
    final AtomicLong clockSeconds = new AtomicLong(1_800_000_000L);
    final MemoryGuardedDevice firstDevice;
    final MemoryGuardedDevice secondDevice;
    private final long volumeId;
    final LogicalUnit first;
    final LogicalUnit second;

    Nodes() {
        this(64L << 20, 512);
    }

    Nodes(long sizeBytes, int blockBytes) {
        this(new MemoryGuardedDevice(sizeBytes), blockBytes);
    }

    Nodes(MemoryGuardedDevice device, int blockBytes) {
        this(device, blockBytes, 7);
    }

    Nodes(MemoryGuardedDevice device, int blockBytes, long volumeId) {
        this.volumeId = volumeId;
        firstDevice = device;
        secondDevice = device.portal();
        first = unit(firstDevice, blockBytes, 1);
        second = unit(secondDevice, blockBytes, 2);
    }

    LogicalUnit unit(io.cistern.block.GuardedDevice device, int blockBytes, int tag) {
        ThinSpace space =
                new ThinSpace() {
                    @Override
                    public long usedBytes() {
                        return usedBytes.get();
                    }

                    @Override
                    public long availableBytes() {
                        return availableBytes.get();
                    }
                };
        return new LogicalUnit(
                new LogicalUnit.Config(TARGET, CLUSTER, volumeId, blockBytes, tag),
                device,
                ports,
                space,
                () -> Instant.ofEpochSecond(clockSeconds.get()));
    }

    /// An initiator logged in through node 1 or 2, its first unit attention taken.
    Initiator login(String name, int node) {
        Initiator initiator = new Initiator(node == 1 ? first : second, name, 1, node);
        initiator.drain();
        return initiator;
    }

    @Override
    public void close() {
        first.close();
        second.close();
    }
}
