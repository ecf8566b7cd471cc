package io.cistern.iscsi.scsi;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A volume as a SCSI target with one logical unit, at one node. All nodes' targets over the same
/// volume are one logical unit with several ports: what must be the same through each of them
/// (reservations, registrations, resets, mode parameters) is in the volume's shared record.
///
/// Any thread may call any method; none blocks. The device is not closed with the target.
public final class LogicalUnit implements ScsiTarget, AutoCloseable {
    /// Largest data of one command: 8 MiB.
    public static final int MAX_TRANSFER_BYTES = 8 << 20;

    /// Tasks of all nexuses at this node; further ones are TASK SET FULL.
    public static final int MAX_TASKS = 2048;

    /// Tasks of one nexus; further ones are TASK SET FULL.
    public static final int MAX_TASKS_PER_NEXUS = 512;

    /// Initiator ports remembered, to tell a nexus that was lost from one that is new.
    private static final int MAX_REMEMBERED = 1024;

    /// Pause before a release that failed is tried again.
    private static final long RELEASE_PAUSE_MS = 1_000;

    private static final CompletableFuture<Void> NOTHING_TO_RELEASE =
            CompletableFuture.completedFuture(null);

    private static final Logger log = LoggerFactory.getLogger(LogicalUnit.class);

    /// What a target is.
    ///
    /// @param targetName its iSCSI name
    /// @param volumeId unique in the cluster, kept when the volume is renamed
    /// @param blockBytes size of a logical block, 512 or 4096
    /// @param portTag this node's relative target port identifier and target port group, 1..65535
    public record Config(
            String targetName, UUID clusterId, long volumeId, int blockBytes, int portTag) {
        public Config {
            if (blockBytes != 512 && blockBytes != 4096) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        "a logical block has 512 or 4096 bytes, not " + blockBytes);
            }
            if (portTag < 1 || portTag > 0xffff) {
                throw new CisternException(
                        ErrorCode.INVALID, "a port's tag is 1 to 65535, not " + portTag);
            }
        }
    }

    private final Config config;
    private final Identity identity;
    private final GuardedDevice device;
    private final PortStates ports;
    private final ThinThresholds thresholds;
    private final SharedState shared;
    private final TaskSet taskSet = new TaskSet(MAX_TASKS);
    private final Dispatcher dispatcher = new Dispatcher(this);
    private final Map<NexusId, LuNexus> nexuses = new ConcurrentHashMap<>();

    /// SPC-2 reservations that are being released, by who held them.
    private final Map<NexusId, CompletableFuture<Void>> releasing = new ConcurrentHashMap<>();

    private final LinkedHashSet<NexusId> remembered = new LinkedHashSet<>();
    private final List<AutoCloseable> subscriptions = new ArrayList<>();
    private volatile CopyDomain copyDomain = new CopyDomain();
    private volatile boolean closed;

    /// @param clock spaces out looks at `space`
    public LogicalUnit(
            Config config,
            GuardedDevice device,
            PortStates ports,
            ThinSpace space,
            InstantSource clock) {
        this.config = config;
        this.identity = Identity.of(config.clusterId(), config.volumeId());
        this.device = device;
        this.ports = ports;
        this.thresholds = new ThinThresholds(this, space, clock);
        this.shared = new SharedState(device, new Consequences(this)::of);
        subscriptions.add(device.onRecord(this::learn));
        subscriptions.add(device.onResize(size -> attentionForAll(Condition.CAPACITY_CHANGED)));
        subscriptions.add(ports.onChange(this::portsChanged));
        learn(device.knownRecord());
    }

    /// Joins the logical units that EXTENDED COPY copies between, until this one is closed.
    public void join(CopyDomain domain) {
        copyDomain = domain;
        domain.add(this);
    }

    @Override
    public Nexus open(NexusId id, NexusEvents events) {
        if (closed) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "target " + config.targetName() + " is no longer offered");
        }
        LuNexus nexus = new LuNexus(this, id, events);
        nexus.attentions()
                .add(
                        nexuses.containsKey(id) || remembers(id)
                                ? Condition.NEXUS_LOSS
                                : Condition.POWER_ON_RESET_OR_BUS_DEVICE_RESET);
        LuNexus former = nexuses.put(id, nexus);
        if (former != null) {
            former.close();
            former.events().closed("the initiator port has begun another session");
        }
        releaseReserve(id);
        return nexus;
    }

    @Override
    public int maxTransferBytes() {
        return MAX_TRANSFER_BYTES;
    }

    /// Ends all nexuses. The device stays open.
    @Override
    public void close() {
        closed = true;
        copyDomain.remove(this);
        for (AutoCloseable subscription : subscriptions) {
            try {
                subscription.close();
            } catch (Exception e) {
                log.warn("Could not end a subscription of target {}", config.targetName(), e);
            }
        }
        endAll("target " + config.targetName() + " is no longer offered");
    }

    Config config() {
        return config;
    }

    Identity identity() {
        return identity;
    }

    GuardedDevice device() {
        return device;
    }

    PortStates ports() {
        return ports;
    }

    ThinThresholds thresholds() {
        return thresholds;
    }

    SharedState shared() {
        return shared;
    }

    CopyDomain copyDomain() {
        return copyDomain;
    }

    TaskSet taskSet() {
        return taskSet;
    }

    Dispatcher dispatcher() {
        return dispatcher;
    }

    int blockBytes() {
        return config.blockBytes();
    }

    /// Number of logical blocks.
    long capacityBlocks() {
        return device.sizeBytes() / config.blockBytes();
    }

    int maxTransferBlocks() {
        return MAX_TRANSFER_BYTES / config.blockBytes();
    }

    int maxAtomicBlocks() {
        return GuardedDevice.MAX_ATOMIC_BYTES / config.blockBytes();
    }

    Collection<LuNexus> nexuses() {
        return nexuses.values();
    }

    boolean descriptorSense() {
        return shared.view().state().mode().descriptorSense();
    }

    void attentionForAll(Condition condition) {
        nexuses.values().forEach(nexus -> nexus.attentions().add(condition));
    }

    /// Ends every nexus of this node.
    void endAll(String reason) {
        endAll(reason, null);
    }

    /// Ends every nexus of this node but one.
    void endAll(String reason, @Nullable NexusId except) {
        for (LuNexus nexus : List.copyOf(nexuses.values())) {
            if (!nexus.id().equals(except)) {
                nexus.close();
                nexus.events().closed(reason);
            }
        }
    }

    /// A nexus is gone: what SPC-2 lets it hold is released.
    void lost(LuNexus nexus) {
        nexuses.remove(nexus.id(), nexus);
        synchronized (remembered) {
            remembered.remove(nexus.id());
            remembered.add(nexus.id());
            if (remembered.size() > MAX_REMEMBERED) {
                remembered.removeFirst();
            }
        }
        releaseReserve(nexus.id());
    }

    /// Releases an SPC-2 reservation if that nexus holds it, however long that takes.
    void releaseReserve(NexusId holder) {
        if (!holder.equals(shared.view().state().reservedBy())) {
            return;
        }
        CompletableFuture<Void> released = new CompletableFuture<>();
        if (releasing.putIfAbsent(holder, released) == null) {
            release(holder, released, true);
        }
    }

    private void release(NexusId holder, CompletableFuture<Void> released, boolean first) {
        shared.update(
                        state -> {
                            if (!holder.equals(state.reservedBy())) {
                                return state;
                            }
                            ScsiState.Draft draft = state.draft();
                            draft.reservedBy = null;
                            return draft.build();
                        })
                .whenComplete((view, failure) -> {
                    if (failure == null || closed) {
                        releasing.remove(holder, released);
                        released.complete(null);
                        return;
                    }
                    if (first) {
                        log.warn(
                                "The reservation of {} on {} could not be released yet: {}",
                                holder.initiatorName(),
                                config.targetName(),
                                CisternException.of(failure).getMessage());
                    }
                    CompletableFuture.delayedExecutor(RELEASE_PAUSE_MS, TimeUnit.MILLISECONDS)
                            .execute(() -> release(holder, released, false));
                });
    }

    /// Completes when a reservation that the nexus held, if it is being released, is.
    CompletableFuture<Void> released(NexusId holder) {
        return releasing.getOrDefault(holder, NOTHING_TO_RELEASE);
    }

    /// A record that cannot be read is left alone: requests fail as long as it is the newest.
    private void learn(GuardedDevice.SharedRecord record) {
        try {
            shared.learn(record);
            releaseStray();
        } catch (CisternException e) {
            log.error("Target {} cannot go on: {}", config.targetName(), e.getMessage());
        }
    }

    private boolean remembers(NexusId id) {
        synchronized (remembered) {
            return remembered.contains(id);
        }
    }

    private void portsChanged() {
        nexuses.values().forEach(LuNexus::portsChanged);
        releaseStray();
    }

    /// Releases an SPC-2 reservation whose nexus is no more: that of a port that cannot be reached,
    /// and one of this port that began before this process did.
    private void releaseStray() {
        NexusId holder = shared.view().state().reservedBy();
        if (holder == null) {
            return;
        }
        boolean alive =
                holder.targetPortGroup() == config.portTag()
                        ? nexuses.containsKey(holder)
                        : ports.ports().stream()
                                .anyMatch(port ->
                                        port.tag() == holder.targetPortGroup()
                                                && port.state()
                                                        != PortStates.AccessState.UNAVAILABLE);
        if (!alive) {
            releaseReserve(holder);
        }
    }
}
