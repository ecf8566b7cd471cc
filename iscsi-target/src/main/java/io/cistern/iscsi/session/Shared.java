package io.cistern.iscsi.session;

import io.cistern.iscsi.PortalConfig;
import io.cistern.iscsi.TargetCatalog;
import io.cistern.iscsi.login.LoginEnvironment;
import io.cistern.iscsi.login.LoginThrottle;

/// What all connections of a portal have in common. Any thread.
final class Shared {
    private final PortalConfig config;
    private final TargetCatalog catalog;
    private final SessionRegistry registry;
    private final LoginThrottle throttle = new LoginThrottle(System::nanoTime);
    private final PortalMetrics metrics = new PortalMetrics();
    private final MemoryBudget writes;
    private final MemoryBudget reads;

    Shared(PortalConfig config, TargetCatalog catalog) {
        this.config = config;
        this.catalog = catalog;
        this.registry = new SessionRegistry(config.limits().maxSessionsPerInitiator());
        this.writes = new MemoryBudget(config.limits().memory().portalWrites());
        this.reads = new MemoryBudget(config.limits().memory().portalReads());
    }

    PortalConfig config() {
        return config;
    }

    TargetCatalog catalog() {
        return catalog;
    }

    SessionRegistry registry() {
        return registry;
    }

    LoginThrottle throttle() {
        return throttle;
    }

    PortalMetrics metrics() {
        return metrics;
    }

    MemoryBudget writes() {
        return writes;
    }

    MemoryBudget reads() {
        return reads;
    }

    LoginEnvironment loginEnvironment() {
        return new LoginEnvironment(
                catalog,
                config.portalGroup(),
                config.offer(),
                config.chap(),
                config.limits().maxTextBytes(),
                registry);
    }
}
