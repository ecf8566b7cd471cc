package io.cistern.iscsi;

import io.cistern.block.MemoryGuardedDevice;
import io.cistern.iscsi.TargetCatalog.PortalGroup;
import io.cistern.iscsi.scsi.LogicalUnit;
import io.cistern.iscsi.scsi.PortStates;
import io.cistern.iscsi.scsi.ThinSpace;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/// Two portals, as of two nodes, over one volume in memory.
final class SuiteServer implements AutoCloseable {
    static final String TARGET = TestCatalog.PREFIX + "suite";

    private final List<Portal> portals = new ArrayList<>();
    private final List<LogicalUnit> units = new ArrayList<>();

    SuiteServer(MultiThreadIoEventLoopGroup loops, long sizeBytes, int blockBytes) {
        MemoryGuardedDevice volume = new MemoryGuardedDevice(sizeBytes);
        PortStates ports = ports();
        for (int node = 1; node <= 2; node++) {
            TestCatalog catalog = new TestCatalog();
            PortalConfig config =
                    PortalConfig.of(
                            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), node);
            Portal portal = Portal.open(config, catalog, loops);
            portals.add(portal);
            catalog.groups(List.of(new PortalGroup(node, List.of(address(node)))));
            LogicalUnit unit =
                    new LogicalUnit(
                            new LogicalUnit.Config(TARGET, new UUID(1, 2), 3, blockBytes, node),
                            node == 1 ? volume : volume.portal(),
                            ports,
                            space(),
                            InstantSource.system());
            units.add(unit);
            catalog.export("suite", unit, TestCatalog.OPEN);
        }
    }

    private static PortStates ports() {
        return new PortStates() {
            @Override
            public List<Port> ports() {
                return List.of(
                        new Port(1, AccessState.OPTIMIZED), new Port(2, AccessState.NON_OPTIMIZED));
            }

            @Override
            public AutoCloseable onChange(Runnable listener) {
                return () -> {};
            }
        };
    }

    private static ThinSpace space() {
        return new ThinSpace() {
            @Override
            public long usedBytes() {
                return 0;
            }

            @Override
            public long availableBytes() {
                return 1L << 40;
            }
        };
    }

    private String address(int node) {
        return "127.0.0.1:" + portals.get(node - 1).addresses().getFirst().getPort();
    }

    String url(int node) {
        return "iscsi://" + address(node) + "/" + TARGET + "/0";
    }

    @Override
    public void close() {
        portals.forEach(Portal::close);
        units.forEach(LogicalUnit::close);
    }
}
