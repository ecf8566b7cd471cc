package io.cistern.iscsi.cluster;

import io.cistern.iscsi.scsi.PortStates;
import io.cistern.volume.ExportView;
import io.cistern.volume.ExportView.PortalNode;
import io.cistern.volume.VolumeDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The access states of one target's ports: optimized at the node that leads the volume's group.
final class ClusterPorts implements PortStates, AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ClusterPorts.class);

    private final ExportView view;
    private final VolumeDevice device;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private final List<AutoCloseable> subscriptions;
    private volatile List<Port> ports;

    ClusterPorts(ExportView view, VolumeDevice device) {
        this.view = view;
        this.device = device;
        this.ports = now();
        this.subscriptions = List.of(view.onChange(this::look), device.onLeader(this::look));
        look();
    }

    private List<Port> now() {
        String leader = device.leader();
        List<Port> all = new ArrayList<>();
        for (PortalNode node : view.nodes()) {
            if (node.addresses().isEmpty()) {
                continue;
            }
            AccessState state =
                    !node.up()
                            ? AccessState.UNAVAILABLE
                            : node.name().equals(leader)
                                    ? AccessState.OPTIMIZED
                                    : AccessState.NON_OPTIMIZED;
            all.add(new Port(node.number(), state));
        }
        return List.copyOf(all);
    }

    private void look() {
        synchronized (this) {
            List<Port> now = now();
            if (now.equals(ports)) {
                return;
            }
            ports = now;
        }
        for (Runnable listener : listeners) {
            try {
                listener.run();
            } catch (RuntimeException e) {
                log.error("a listener failed on new port states of {}", device.name(), e);
            }
        }
    }

    @Override
    public List<Port> ports() {
        return ports;
    }

    @Override
    public AutoCloseable onChange(Runnable listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    @Override
    public void close() {
        Quietly.close(subscriptions);
    }
}
