package io.cistern.iscsi.scsi;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// Port states that a test sets.
final class FixedPorts implements PortStates {
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private volatile List<Port> ports =
            List.of(new Port(1, AccessState.OPTIMIZED), new Port(2, AccessState.NON_OPTIMIZED));

    void set(Port... newPorts) {
        ports = List.of(newPorts);
        listeners.forEach(Runnable::run);
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
}
