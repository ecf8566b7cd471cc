package io.cistern.iscsi.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterAdmin;
import io.cistern.volume.ClusterClient;
import io.cistern.volume.ClusterNode;
import io.cistern.volume.ExportView;
import io.cistern.volume.ExportView.PortalNode;
import io.cistern.volume.VolumeDevice;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SilentPortalsTest {
    private final List<AttachmentInfo> attached = new CopyOnWriteArrayList<>();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private final AtomicInteger refusals = new AtomicInteger();
    private final AtomicInteger asked = new AtomicInteger();
    private final AtomicInteger looks = new AtomicInteger();
    private volatile List<PortalNode> nodes = nodes(true);
    private volatile String leader = "n0";
    private SilentPortals portals;

    private interface Answer {
        Object to(Object[] arguments);
    }

    /// A part of the cluster that answers these methods alone.
    private static <T> T part(Class<T> type, Map<String, Answer> answers) {
        return type.cast(
                Proxy.newProxyInstance(
                        type.getClassLoader(),
                        new Class<?>[] {type},
                        (proxy, method, arguments) -> {
                            Answer answer = answers.get(method.getName());
                            if (answer == null) {
                                throw new UnsupportedOperationException(method.getName());
                            }
                            return answer.to(arguments);
                        }));
    }

    private static List<PortalNode> nodes(boolean secondIsUp) {
        return List.of(
                new PortalNode(1, "n0", List.of("10.0.0.1:3260"), true),
                new PortalNode(2, "n1", List.of("10.0.0.2:3260"), secondIsUp),
                new PortalNode(3, "n10", List.of("10.0.0.3:3260"), true));
    }

    private void attach(long id, String holder) {
        attached.add(new AttachmentInfo("v", id, AttachMode.SHARED, holder, 0));
    }

    @BeforeEach
    void start() {
        ExportView view =
                part(
                        ExportView.class,
                        Map.of(
                                "nodes",
                                a -> {
                                    looks.incrementAndGet();
                                    return nodes;
                                },
                                "onChange",
                                a -> {
                                    listeners.add((Runnable) a[0]);
                                    return (AutoCloseable) () -> listeners.remove((Runnable) a[0]);
                                }));
        ClusterClient client =
                part(
                        ClusterClient.class,
                        Map.of(
                                "attachments",
                                a -> {
                                    asked.incrementAndGet();
                                    if (refusals.getAndDecrement() > 0) {
                                        throw new CisternException(
                                                ErrorCode.UNAVAILABLE, "no leader");
                                    }
                                    return new ArrayList<>(attached);
                                }));
        ClusterAdmin admin =
                part(
                        ClusterAdmin.class,
                        Map.of("detach", a -> attached.removeIf(i -> a[1].equals(i.id()))));
        ClusterNode node =
                part(
                        ClusterNode.class,
                        Map.of(
                                "name",
                                a -> "n0",
                                "exports",
                                a -> view,
                                "client",
                                a -> client,
                                "admin",
                                a -> admin));
        VolumeDevice device =
                part(VolumeDevice.class, Map.of("name", a -> "v", "leader", a -> leader));
        attach(5, "iscsi/n0");
        attach(6, "iscsi/n1");
        attach(7, "iscsi/n10");
        attach(8, "nbd/n1");
        portals = new SilentPortals(node, device);
    }

    @AfterEach
    void stop() {
        portals.close();
        assertThat(listeners).isEmpty();
    }

    private void nodeIsUp(boolean up) {
        nodes = nodes(up);
        listeners.forEach(Runnable::run);
    }

    private List<Long> ids() {
        return attached.stream().map(AttachmentInfo::id).toList();
    }

    @Test
    void theSilentPortalAloneIsDetachedAsOftenAsItFallsSilent() {
        nodeIsUp(false);
        await().untilAsserted(() -> assertThat(ids()).containsExactly(5L, 7L, 8L));
        nodeIsUp(true);
        attach(9, "iscsi/n1");
        nodeIsUp(false);
        await().untilAsserted(() -> assertThat(ids()).containsExactly(5L, 7L, 8L));
    }

    @Test
    void whoDoesNotLeadLeavesItToTheLeaderAndTakesItUpOnceItLeads() {
        leader = "n10";
        nodeIsUp(false);
        assertThat(ids()).hasSize(4);
        leader = "n0";
        await().untilAsserted(() -> assertThat(ids()).containsExactly(5L, 7L, 8L));
    }

    @Test
    void whatANodeAttachesWhileItIsStillTakenForSilentStays() {
        nodeIsUp(false);
        await().untilAsserted(() -> assertThat(ids()).containsExactly(5L, 7L, 8L));
        attach(9, "iscsi/n1");
        int before = looks.get();
        nodeIsUp(false);
        // Once by the listener, once because of it.
        await().until(() -> looks.get() >= before + 2);
        assertThat(ids()).containsExactly(5L, 7L, 8L, 9L);
    }

    @Test
    void aFailureIsTriedAgain() {
        refusals.set(2);
        nodeIsUp(false);
        await().untilAsserted(() -> assertThat(ids()).containsExactly(5L, 7L, 8L));
        assertThat(asked.get()).isGreaterThanOrEqualTo(3);
    }
}
