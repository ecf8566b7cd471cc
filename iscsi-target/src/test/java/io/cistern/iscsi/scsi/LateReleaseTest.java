package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import io.cistern.block.MemoryGuardedDevice;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/// SPC-2 reservations whose release takes its time, as while a leader is being replaced.
class LateReleaseTest {
    private static final String RESERVE = "16 00 0000 00 00";

    private final MemoryGuardedDevice device = new MemoryGuardedDevice(16L << 20);

    /// What a change of the record waits for.
    private volatile CompletableFuture<Void> gate = CompletableFuture.completedFuture(null);

    private final Nodes nodes = new Nodes(device, 512);
    private final LogicalUnit unit = unit();

    /// In place of the first node's.
    private LogicalUnit unit() {
        nodes.first.close();
        return nodes.unit(slow(device.portal()), 512, 1);
    }

    private GuardedDevice slow(MemoryGuardedDevice portal) {
        return (GuardedDevice)
                Proxy.newProxyInstance(
                        getClass().getClassLoader(),
                        new Class<?>[] {GuardedDevice.class},
                        (proxy, method, arguments) ->
                                method.getName().equals("replaceRecord")
                                        ? gate.thenCompose(go ->
                                                portal.replaceRecord(
                                                        (long) arguments[0],
                                                        (ByteBuffer) arguments[1]))
                                        : method.invoke(portal, arguments));
    }

    private Initiator login() {
        Initiator initiator = new Initiator(unit, "a", 1, 1);
        initiator.drain();
        return initiator;
    }

    @Test
    void aReleaseOfTheFormerSessionDoesNotTakeWhatTheNextOneReserves() {
        Initiator other = nodes.login("b", 2);
        Initiator first = login();
        first.send(RESERVE).good();
        CompletableFuture<Void> late = new CompletableFuture<>();
        gate = late;
        first.nexus.close();
        Initiator second = login();
        CompletableFuture<Initiator.Answer> reserved =
                second.start(Initiator.command(RESERVE), new byte[0]);
        gate = CompletableFuture.completedFuture(null);
        late.complete(null);
        Initiator.await(reserved).good();
        other.ready().conflict();
        second.nexus.close();
        Initiator.await(second.nexus.gone());
        other.ready().good();
    }

    @Test
    void aReleaseThatFailsIsTriedAgainAndWaitedFor() {
        Initiator other = nodes.login("b", 2);
        Initiator first = login();
        first.send(RESERVE).good();
        gate =
                CompletableFuture.failedFuture(
                        new CisternException(ErrorCode.UNAVAILABLE, "no leader"));
        first.nexus.close();
        assertThat(first.nexus.gone()).isNotDone();
        gate = CompletableFuture.completedFuture(null);
        Initiator.await(first.nexus.gone());
        other.ready().good();
    }
}
