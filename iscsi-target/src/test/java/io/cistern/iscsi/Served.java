package io.cistern.iscsi;

import io.cistern.block.MemoryBlockDevice;
import io.cistern.iscsi.TargetCatalog.AccessRules;
import io.cistern.iscsi.TargetCatalog.PortalGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/// A portal on a free port of the loopback with one volume, `disk`, in memory.
final class Served implements AutoCloseable {
    static final int GROUP = 7;
    static final String TARGET = TestCatalog.PREFIX + "disk";

    final MultiThreadIoEventLoopGroup loops =
            new MultiThreadIoEventLoopGroup(2, NioIoHandler.newFactory());
    final TestCatalog catalog = new TestCatalog();
    final MemoryTarget target = new MemoryTarget(new MemoryBlockDevice(64 << 20));
    final Portal portal;

    Served(UnaryOperator<PortalConfig> change, AccessRules access) {
        PortalConfig config =
                PortalConfig.of(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), GROUP);
        portal = Portal.open(change.apply(config), catalog, loops);
        catalog.groups(
                List.of(
                        new PortalGroup(GROUP, List.of(address())),
                        new PortalGroup(8, List.of("10.0.0.8:3260", "[fd00::8]:3260"))));
        catalog.export("disk", target, access);
    }

    static Served open() {
        return new Served(config -> config, TestCatalog.OPEN);
    }

    int port() {
        return portal.addresses().getFirst().getPort();
    }

    String address() {
        return "127.0.0.1:" + port();
    }

    String url() {
        return "iscsi://" + address() + "/" + TARGET + "/0";
    }

    @Override
    public void close() {
        portal.close();
        loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly();
    }
}
