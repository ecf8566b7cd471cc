package io.cistern.volume.client;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;
import io.cistern.block.fs.FileSystem;
import io.cistern.storage.Command;
import io.cistern.storage.Command.Attach;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Detach;
import io.cistern.storage.Command.Resume;
import io.cistern.storage.VolumeState;
import io.cistern.storage.group.VolumeGroup;
import io.cistern.storage.group.VolumeGroup.Receipt;
import io.cistern.volume.ClientConfig;
import io.cistern.volume.ClusterClient;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import io.cistern.volume.client.ClusterMap.Location;
import io.cistern.volume.system.Level;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// The volume client over a [ClusterMap].
public final class Client implements ClusterClient {
    private static final long TICK_MILLIS = 100;
    private static final long POLL_TICKS = 10;
    private static final Duration DETACH_TIMEOUT = Duration.ofSeconds(1);

    private final ClusterMap map;
    private final Duration requestTimeout;
    private final Duration tryTimeout;
    private final Duration openTimeout;
    private final Runnable onClose;
    private final Surroundings around;
    private final ScheduledExecutorService timer;
    private final ConcurrentHashMap<Long, GroupRoute> routes = new ConcurrentHashMap<>();
    private final List<Device> devices = new CopyOnWriteArrayList<>();
    private long ticks;

    /// @param config its seeds are not used here
    /// @param onClose releases what `map` stands on
    public Client(ClusterMap map, ClientConfig config, Runnable onClose) {
        this(map, config, onClose, Surroundings.real());
    }

    /// What a client finds around it.
    ///
    /// @param timer runs one task at a time
    /// @param nanoTime as [System#nanoTime]
    /// @param random unpredictable numbers
    record Surroundings(
            ScheduledExecutorService timer,
            LongSupplier nanoTime,
            InstantSource clock,
            LongSupplier random) {
        static Surroundings real() {
            SecureRandom random = new SecureRandom();
            ScheduledThreadPoolExecutor timer =
                    new ScheduledThreadPoolExecutor(
                            1, Thread.ofPlatform().daemon().name("volume-client").factory());
            timer.setRemoveOnCancelPolicy(true);
            return new Surroundings(
                    timer, System::nanoTime, InstantSource.system(), random::nextLong);
        }
    }

    Client(ClusterMap map, ClientConfig config, Runnable onClose, Surroundings around) {
        this.around = around;
        this.map = map;
        this.requestTimeout = config.requestTimeout();
        this.tryTimeout = config.tryTimeout();
        this.openTimeout = config.openTimeout();
        this.onClose = onClose;
        this.timer = around.timer;
        timer.scheduleWithFixedDelay(this::tick, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
    }

    @Override
    public VolumeDevice open(String volume, AttachMode mode, String holder) {
        int at = volume.indexOf('@');
        String name = at < 0 ? volume : volume.substring(0, at);
        Names.check("volume name", name);
        String snapshot = at < 0 ? null : Names.check("snapshot name", volume.substring(at + 1));
        if (snapshot != null && mode != AttachMode.READ_ONLY) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    volume + " is a snapshot: open it for reading only, or clone it to write");
        }
        Location location = map.locate(name);
        GroupRoute route = route(location.group());
        return snapshot == null
                ? openVolume(name, location, route, new Holder(mode, holder))
                : openSnapshot(volume, snapshot, location, route);
    }

    @Override
    public FileSystem openShare(String share, String holder) {
        Names.check("share name", share);
        Location location = map.locate(ShareNames.PREFIX + share);
        Device device =
                openHead(
                        "share " + share,
                        location,
                        route(location.group()),
                        new Holder(AttachMode.EXCLUSIVE, holder));
        ShareFileSystem opened = new ShareFileSystem(device, this);
        opened.start();
        return opened;
    }

    private record Holder(AttachMode mode, String text) {}

    private Device openVolume(String name, Location location, GroupRoute route, Holder holder) {
        boolean alone = holder.mode == AttachMode.EXCLUSIVE;
        if (alone && location.exported()) {
            throw exported(name);
        }
        Device device = openHead(name, location, route, holder);
        if (alone && map.locate(name).exported()) {
            // Exported meanwhile. Whoever exports looks for exclusive attachments after it, too.
            device.close();
            throw exported(name);
        }
        return device;
    }

    /// @param name what it is called towards people
    private Device openHead(String name, Location location, GroupRoute route, Holder holder) {
        return Waits.get(attach(name, location, route, holder), openTimeout.multipliedBy(2));
    }

    /// Attaches a volume and opens it, without blocking.
    CompletableFuture<? extends VolumeDevice> attach(
            String name, Location location, AttachMode mode, String holder) {
        return attach(name, location, route(location.group()), new Holder(mode, holder));
    }

    private CompletableFuture<Device> attach(
            String name, Location location, GroupRoute route, Holder holder) {
        long volume = location.volume();
        Attach attach =
                new Attach(
                        volume,
                        holder.mode,
                        around.random.getAsLong(),
                        around.random.getAsLong(),
                        holder.text,
                        around.clock.millis());
        if (map.level() < Level.LATE_REQUESTS) {
            return grant(name, attach, route, volume);
        }
        return control(route, group -> group.describe(volume))
                .thenCompose(now -> grant(name, attach.seen(now.version()), route, volume));
    }

    @Override
    public VolumeDevice resume(String name, Resumption previous, String holder) {
        Names.check("volume name", name);
        Location location = map.locate(name);
        Resume resume =
                new Resume(
                        location.volume(),
                        previous.attachment(),
                        previous.key().getMostSignificantBits(),
                        previous.key().getLeastSignificantBits(),
                        holder,
                        around.clock.millis());
        return Waits.get(
                grant(name, resume, route(location.group()), location.volume()),
                openTimeout.multipliedBy(2));
    }

    /// Executes an Attach or Resume and opens what it grants.
    private CompletableFuture<Device> grant(
            String name, Command command, GroupRoute route, long volume) {
        return control(route, group -> group.execute(command))
                .thenCompose(granted ->
                        control(route, group -> group.describe(volume))
                                .thenApply(state -> granted(name, volume, route, granted, state)));
    }

    private Device granted(
            String name, long volume, GroupRoute route, Receipt granted, VolumeState state) {
        AttachMode mode =
                state.attachments().stream()
                        .filter(a -> a.id() == granted.value())
                        .map(VolumeState.Attachment::mode)
                        .findFirst()
                        .orElseThrow(() ->
                                new CisternException(
                                        ErrorCode.FENCED,
                                        "volume " + name + " was attached elsewhere meanwhile"));
        Device device =
                new Device(
                        new Opened(name, volume, null, mode, granted.value(), granted.index()),
                        this,
                        route,
                        state);
        devices.add(device);
        return device;
    }

    private static CisternException exported(String name) {
        return new CisternException(
                ErrorCode.BUSY,
                "volume '"
                        + name
                        + "' is exported over iSCSI: unexport it first, or attach it with --shared");
    }

    private Device openSnapshot(String name, String snapshot, Location location, GroupRoute route) {
        long volume = location.volume();
        VolumeState state = Waits.get(control(route, group -> group.describe(volume)), openTimeout);
        VolumeState.Snapshot found =
                state.snapshots().stream()
                        .filter(s -> s.name().equals(snapshot))
                        .findFirst()
                        .orElseThrow(() ->
                                new CisternException(
                                        ErrorCode.NOT_FOUND,
                                        "there is no snapshot '" + name + "'"));
        Device device =
                new Device(
                        new Opened(name, volume, snapshot, AttachMode.READ_ONLY, 0, -1),
                        this,
                        route,
                        sized(state, found.sizeBytes()));
        devices.add(device);
        return device;
    }

    private static VolumeState sized(VolumeState s, long size) {
        return new VolumeState(
                s.volume(),
                size,
                s.branch(),
                s.epoch(),
                s.version(),
                s.limits(),
                s.parent(),
                s.snapshots(),
                s.attachments(),
                s.createdMillis(),
                s.recordVersion());
    }

    @Override
    public List<AttachmentInfo> attachments(String volume) {
        Location location = map.locate(Names.check("volume name", volume));
        VolumeState state =
                Waits.get(
                        control(
                                route(location.group()),
                                group -> group.describe(location.volume())),
                        openTimeout);
        return state.attachments().stream()
                .map(a -> new AttachmentInfo(volume, a.id(), a.mode(), a.holder(), a.sinceMillis()))
                .toList();
    }

    /// Calls the leader of `group`, again and elsewhere while that fails in a way that allows it.
    /// The call must bear being repeated.
    ///
    /// @param attempts counts them, where given, so that the caller can tell its own first effect
    public <T> CompletableFuture<T> control(
            long group,
            Function<VolumeGroup, CompletableFuture<T>> call,
            java.util.concurrent.atomic.@Nullable AtomicInteger attempts) {
        ControlCall<T> running = new ControlCall<>(this, route(group), call, attempts);
        return running.start(openTimeout);
    }

    <T> CompletableFuture<T> control(
            GroupRoute route, Function<VolumeGroup, CompletableFuture<T>> call) {
        return new ControlCall<>(this, route, call, null).start(openTimeout);
    }

    /// The node that leads `group` as far as this client knows, else null.
    public @Nullable String leader(long group) {
        Member leader = route(group).leader();
        return leader == null ? null : leader.node();
    }

    Duration tryTimeout() {
        return tryTimeout;
    }

    private GroupRoute route(long group) {
        return routes.computeIfAbsent(group, id -> new GroupRoute(id, map, timer, around.nanoTime));
    }

    Admission newAdmission() {
        return new Admission(around.nanoTime, timer, requestTimeout.toNanos());
    }

    long nanoTime() {
        return around.nanoTime.getAsLong();
    }

    /// Runs `task` later, or not at all once the client is closed.
    java.util.concurrent.Future<?> after(long millis, Runnable task) {
        try {
            return timer.schedule(task, millis, TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException closing) {
            return CompletableFuture.completedFuture(null);
        }
    }

    private void tick() {
        long now = nanoTime();
        boolean poll = ++ticks % POLL_TICKS == 0;
        for (Device device : devices) {
            device.tick(now, tryTimeout.toNanos());
            if (poll) {
                device.poll();
            }
        }
    }

    void closed(Device device, Opened opened, GroupRoute route) {
        devices.remove(device);
        if (opened.attachment() != 0) {
            CompletableFuture<Receipt> detached =
                    control(
                            route,
                            group ->
                                    group.execute(
                                            new Detach(opened.volume(), opened.attachment())));
            Waits.quietly(detached, DETACH_TIMEOUT);
        }
    }

    @Override
    public void close() {
        List<Thread> closing =
                List.copyOf(devices).stream()
                        .map(device -> Thread.ofVirtual().start(device::close))
                        .toList();
        for (Thread thread : closing) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        timer.shutdownNow();
        CisternException reason =
                new CisternException(ErrorCode.UNAVAILABLE, "the client was closed");
        routes.values().forEach(route -> route.fail(reason));
        onClose.run();
    }
}
