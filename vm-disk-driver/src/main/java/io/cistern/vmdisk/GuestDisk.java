package io.cistern.vmdisk;

import com.fasterxml.jackson.databind.JsonNode;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A disk of a running guest: how QEMU is told, over QMP, to plug it in and to pull it out.
///
/// @param bus a bus that can be plugged into, as `rp0` for a `pcie-root-port` of a q35 machine;
///   null for QEMU's choice
public record GuestDisk(
        Transport transport, String volume, Path socket, boolean readOnly, @Nullable String bus) {
    private static final String DEVICES = "/machine/peripheral";
    private static final long POLL_MS = 50;

    /// One QMP command.
    public record Step(String execute, Map<String, Object> arguments) {}

    /// The device's id in QEMU; also that of its block node or character device.
    public String id() {
        return QemuArguments.nodeName(volume);
    }

    private String device() {
        return id() + "-disk";
    }

    /// What plugs it in.
    public List<Step> plugging() {
        Map<String, Object> device = new LinkedHashMap<>();
        List<Step> steps = new ArrayList<>();
        switch (transport) {
            case NBD -> {
                Map<String, Object> node = new LinkedHashMap<>();
                node.put("driver", "nbd");
                node.put("node-name", id());
                node.put("server", Map.of("type", "unix", "path", socket.toString()));
                node.put("export", volume);
                node.put("reconnect-delay", QemuArguments.RECONNECT_DELAY_S);
                node.put("discard", "unmap");
                node.put("read-only", readOnly);
                steps.add(new Step("blockdev-add", node));
                device.put("driver", "virtio-blk-pci");
                device.put("drive", id());
                device.put("physical_block_size", 4096);
            }
            case VHOST_USER -> {
                Map<String, Object> address =
                        Map.of("type", "unix", "data", Map.of("path", socket.toString()));
                Map<String, Object> backend =
                        Map.of(
                                "type",
                                "socket",
                                "data",
                                Map.of("addr", address, "server", false, "reconnect", 1));
                steps.add(new Step("chardev-add", Map.of("id", id(), "backend", backend)));
                device.put("driver", "vhost-user-blk-pci");
                device.put("chardev", id());
                device.put("num-queues", QemuArguments.QUEUES);
            }
        }
        device.put("id", device());
        if (bus != null) {
            device.put("bus", bus);
        }
        steps.add(new Step("device_add", device));
        return steps;
    }

    /// What pulls it out; the guest must agree between the first step and the next.
    public List<Step> unplugging() {
        return List.of(
                new Step("device_del", Map.of("id", device())),
                transport == Transport.NBD
                        ? new Step("blockdev-del", Map.of("node-name", id()))
                        : new Step("chardev-remove", Map.of("id", id())));
    }

    /// Checks that the guest can use the disk.
    ///
    /// @throws CisternException INVALID with what to change: its memory is not shared;
    ///   ALREADY_EXISTS where the disk is there
    public void check(QemuMonitor monitor) {
        if (isPlugged(monitor)) {
            throw new CisternException(
                    ErrorCode.ALREADY_EXISTS, "the guest has volume " + volume + " already");
        }
        if (transport == Transport.VHOST_USER && !sharesMemory(monitor)) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "the guest's memory is not shared: start it with "
                            + QemuArguments.SHARED_MEMORY
                            + ", or use NBD");
        }
    }

    private static boolean sharesMemory(QemuMonitor monitor) {
        JsonNode backends = monitor.execute("query-memdev", Map.of());
        for (JsonNode backend : backends) {
            if (!backend.path("share").asBoolean()) {
                return false;
            }
        }
        return !backends.isEmpty();
    }

    private boolean isPlugged(QemuMonitor monitor) {
        for (JsonNode child : monitor.execute("qom-list", Map.of("path", DEVICES))) {
            if (child.path("name").asText().equals(device())) {
                return true;
            }
        }
        return false;
    }

    /// Plugs it in. Where the device cannot be added nothing stays behind.
    ///
    /// @throws CisternException as [#check]; UNAVAILABLE with QEMU's reason
    public void plug(QemuMonitor monitor) {
        check(monitor);
        List<Step> steps = plugging();
        monitor.execute(steps.get(0).execute(), steps.get(0).arguments());
        try {
            monitor.execute(steps.get(1).execute(), steps.get(1).arguments());
        } catch (CisternException e) {
            Step undo = unplugging().get(1);
            monitor.execute(undo.execute(), undo.arguments());
            throw e;
        }
    }

    /// Pulls it out.
    ///
    /// @throws CisternException NOT_FOUND; BUSY where the guest has not let go of it within
    ///   `patience`; UNAVAILABLE with QEMU's reason
    public void unplug(QemuMonitor monitor, Duration patience) {
        if (!isPlugged(monitor)) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "the guest has no disk of volume " + volume);
        }
        List<Step> steps = unplugging();
        monitor.execute(steps.get(0).execute(), steps.get(0).arguments());
        long end = System.nanoTime() + patience.toNanos();
        while (isPlugged(monitor)) {
            awaitGuest(end, patience, null);
        }
        while (true) {
            try {
                monitor.execute(steps.get(1).execute(), steps.get(1).arguments());
                return;
            } catch (CisternException e) {
                // The device is gone from the guest, and QEMU lets go of what is behind it a little
                // later.
                awaitGuest(end, patience, e);
            }
        }
    }

    private void awaitGuest(long end, Duration patience, @Nullable CisternException reason) {
        if (System.nanoTime() > end) {
            String message =
                    "the guest has not let go of volume "
                            + volume
                            + " within "
                            + patience.toSeconds()
                            + " s: unmount it there, then try again";
            throw reason == null
                    ? new CisternException(ErrorCode.BUSY, message)
                    : new CisternException(
                            ErrorCode.BUSY, message + " (" + reason.getMessage() + ")", reason);
        }
        try {
            Thread.sleep(POLL_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted", e);
        }
    }
}
