package io.cistern.iscsi.scsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.MemoryBlockDevice;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;

class TaskManagementTest {
    private static final int PREEMPT_AND_ABORT = 5;

    private final Nodes nodes = new Nodes();
    private final Initiator a = nodes.login("a", 1);
    private final Initiator b = nodes.login("b", 2);
    private final ConcurrentLinkedQueue<CompletableFuture<Void>> held =
            new ConcurrentLinkedQueue<>();

    private static byte[] block(int value) {
        byte[] data = new byte[512];
        Arrays.fill(data, (byte) value);
        return data;
    }

    /// Keeps requests of a node from the device until [#letGo].
    private MemoryBlockDevice.Gate hold() {
        return (operation, offset, length) -> {
            CompletableFuture<Void> later = new CompletableFuture<>();
            held.add(later);
            return later;
        };
    }

    private void letGo() {
        List<CompletableFuture<Void>> now = new ArrayList<>(held);
        held.removeAll(now);
        now.forEach(each -> each.complete(null));
    }

    @Test
    void aResetThroughOneNodeEndsTheTasksOfTheOther() {
        nodes.secondDevice.gate(hold());
        CompletableFuture<Initiator.Answer> write = b.startWrite(0, block(9));
        assertThat(a.manage(TaskManagement.LOGICAL_UNIT_RESET))
                .isEqualTo(TaskManagement.Response.COMPLETE);
        assertThat(Initiator.await(write).status()).isEqualTo(ScsiResult.TASK_ABORTED);
        nodes.secondDevice.gate(null);
        letGo();
        assertThat(a.attention()).contains(0x2903);
        assertThat(b.attention()).contains(0x2903);
        assertThat(b.attention()).isEmpty();
        assertThat(a.read(0, 1).data()).isEqualTo(block(0));
        assertThat(nodes.second.taskSet().tasks()).isEmpty();
    }

    @Test
    void aNodeThatIsNotToldOfAResetStillCarriesOutNothingOlder() {
        nodes.secondDevice.deaf(true);
        nodes.secondDevice.gate(hold());
        CompletableFuture<Initiator.Answer> write = b.startWrite(0, block(9));
        a.manage(TaskManagement.LOGICAL_UNIT_RESET);
        nodes.secondDevice.gate(null);
        letGo();
        assertThat(Initiator.await(write).status()).isEqualTo(ScsiResult.TASK_ABORTED);
        assertThat(nodes.firstDevice.tryRead(0, java.nio.ByteBuffer.allocate(512))).isTrue();
        assertThat(b.attention()).contains(0x2903);
        assertThat(b.read(0, 1).data()).isEqualTo(block(0));
    }

    @Test
    void testUnitReadySeesAResetThatItsNodeWasNotToldOf() {
        nodes.secondDevice.deaf(true);
        a.manage(TaskManagement.TARGET_WARM_RESET);
        b.ready().fails(Condition.BUS_RESET);
        b.ready().good();
    }

    @Test
    void aResetReleasesWhatSpc2ReservesAndForgetsUnsavedParameters() {
        a.send("16 00 0000 00 00").good();
        byte[] control = a.send("1a 08 0a 00 ff 00").good().data();
        control[0] = 0;
        control[2] = 0;
        control[4] = 0x0a;
        control[6] |= 4;
        a.send("15 10 0000 10 00", control).good();
        assertThat(b.attention()).contains(0x2a01);
        b.manage(TaskManagement.LOGICAL_UNIT_RESET);
        b.drain();
        b.read(0, 1).good();
        assertThat(b.send("1a 08 0a 00 ff 00").good().data()[6] & 4).isZero();
    }

    @Test
    void withoutTasAnAbortIsSilent() {
        byte[] control = a.send("1a 08 0a 00 ff 00").good().data();
        control[0] = 0;
        control[2] = 0;
        control[4] = 0x0a;
        control[9] = 0;
        a.send("15 11 0000 10 00", control).good();
        b.drain();
        nodes.secondDevice.gate(hold());
        CompletableFuture<Initiator.Answer> write = b.startWrite(0, block(9));
        assertThat(a.manage(TaskManagement.CLEAR_TASK_SET))
                .isEqualTo(TaskManagement.Response.COMPLETE);
        assertThat(b.aborted).hasSize(1);
        nodes.secondDevice.gate(null);
        letGo();
        assertThat(write).isNotDone();
        assertThat(b.attention()).contains(0x2f00);
        assertThat(a.attention()).isEmpty();
        assertThat(a.read(0, 1).data()).isEqualTo(block(0));
    }

    @Test
    void abortTaskSetLeavesOtherNexusesAlone() {
        nodes.firstDevice.gate(hold());
        Initiator beside = nodes.login("c", 1);
        CompletableFuture<Initiator.Answer> own = a.startWrite(0, block(9));
        CompletableFuture<Initiator.Answer> others = beside.startWrite(1, block(8));
        CompletableFuture<TaskManagement.Response> abort =
                a.nexus.manage(TaskManagement.ABORT_TASK_SET, 0, null);
        assertThat(a.aborted).hasSize(1);
        nodes.firstDevice.gate(null);
        letGo();
        assertThat(Initiator.await(abort)).isEqualTo(TaskManagement.Response.COMPLETE);
        Initiator.await(others).good();
        assertThat(own).isNotDone();
        assertThat(beside.attention()).isEmpty();
        assertThat(b.read(1, 1).data()).isEqualTo(block(8));
    }

    @Test
    void abortTaskWaitsUntilTheTaskCanDoNothingMore() {
        nodes.firstDevice.gate(hold());
        byte[] cdb = Initiator.transfer(0x8a, 0, 1);
        ScsiCommand command = Initiator.command(cdb, ScsiCommand.Attribute.SIMPLE);
        CompletableFuture<Initiator.Answer> write = a.start(command, block(9));
        assertThat(Initiator.await(a.nexus.manage(TaskManagement.QUERY_TASK, 0, command)))
                .isEqualTo(TaskManagement.Response.SUCCEEDED);
        CompletableFuture<TaskManagement.Response> abort =
                a.nexus.manage(TaskManagement.ABORT_TASK, 0, command);
        assertThat(abort).isNotDone();
        assertThat(a.aborted).containsExactly(command);
        nodes.firstDevice.gate(null);
        letGo();
        assertThat(Initiator.await(abort)).isEqualTo(TaskManagement.Response.COMPLETE);
        assertThat(write).isNotDone();
        assertThat(Initiator.await(a.nexus.manage(TaskManagement.ABORT_TASK, 0, command)))
                .isEqualTo(TaskManagement.Response.NO_TASK);
        assertThat(a.attention()).isEmpty();
    }

    @Test
    void preemptAndAbortLeavesNoWriteOfTheVictimBehind() {
        a.reserveOut(0, 0, 0, 0xa).good();
        b.reserveOut(0, 0, 0, 0xb).good();
        b.reserveOut(1, 5, 0xb, 0).good();
        nodes.secondDevice.gate(hold());
        List<CompletableFuture<Initiator.Answer>> writes = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            writes.add(b.startWrite(i, block(9)));
        }
        a.reserveOut(PREEMPT_AND_ABORT, 1, 0xa, 0xb).good();
        nodes.secondDevice.gate(null);
        letGo();
        for (CompletableFuture<Initiator.Answer> write : writes) {
            assertThat(Initiator.await(write).status()).isEqualTo(ScsiResult.TASK_ABORTED);
        }
        assertThat(a.read(0, 20).data()).containsOnly(0);
        assertThat(b.attention()).contains(0x2a05);
        b.write(0, block(9)).conflict();
    }

    @Test
    void anOrderedTaskWaitsForThoseBeforeAndHoldsThoseAfter() {
        nodes.firstDevice.gate(hold());
        List<String> order = new ArrayList<>();
        start("simple 1", ScsiCommand.Attribute.SIMPLE, order);
        start("ordered", ScsiCommand.Attribute.ORDERED, order);
        start("simple 2", ScsiCommand.Attribute.SIMPLE, order);
        start("head", ScsiCommand.Attribute.HEAD_OF_QUEUE, order);
        assertThat(held).as("simple 1 and head").hasSize(2);
        letGo();
        assertThat(held).as("ordered").hasSize(1);
        letGo();
        assertThat(held).as("simple 2").hasSize(1);
        letGo();
        assertThat(order).containsExactly("simple 1", "head", "ordered", "simple 2");
    }

    private void start(String name, ScsiCommand.Attribute attribute, List<String> order) {
        byte[] cdb = Initiator.transfer(0x8a, 0, 1);
        a.start(Initiator.command(cdb, attribute), block(1)).thenRun(() -> order.add(name));
    }

    @Test
    void thousandsOfWaitingOrderedTasksDoNotGrowTheStack() {
        List<Initiator> initiators = new ArrayList<>();
        for (int n = 0; n < 4; n++) {
            initiators.add(nodes.login("many" + n, 1));
        }
        nodes.firstDevice.gate(hold());
        List<CompletableFuture<Initiator.Answer>> all = new ArrayList<>();
        for (Initiator each : initiators) {
            for (int i = 0; i < 500; i++) {
                byte[] cdb = Initiator.transfer(0x88, 0, 1);
                all.add(
                        each.start(
                                Initiator.command(cdb, ScsiCommand.Attribute.ORDERED),
                                new byte[0]));
            }
        }
        nodes.firstDevice.gate(null);
        letGo();
        for (CompletableFuture<Initiator.Answer> each : all) {
            Initiator.await(each).good();
        }
    }

    @Test
    void queuesAreLimited() {
        nodes.firstDevice.gate(hold());
        List<CompletableFuture<Initiator.Answer>> running = new ArrayList<>();
        for (int i = 0; i < LogicalUnit.MAX_TASKS_PER_NEXUS; i++) {
            running.add(a.startWrite(i, block(1)));
        }
        assertThat(a.read(0, 1).status()).isEqualTo(ScsiResult.TASK_SET_FULL);
        nodes.firstDevice.gate(null);
        letGo();
        running.forEach(each -> Initiator.await(each).good());
        a.read(0, 1).good();
    }

    @Test
    void aColdResetEndsTheSessionsOfEveryNode() {
        a.manage(TaskManagement.TARGET_COLD_RESET);
        assertThat(a.closed).as("ended by its transport, once that has answered").isEmpty();
        assertThat(b.closed).hasSize(1);
        Initiator again = new Initiator(nodes.second, "b", 1, 2);
        again.ready().fails(Condition.NEXUS_LOSS);
        again.ready().good();
    }

    @Test
    void aNexusThatBeginsAgainLosesItsTasks() {
        nodes.firstDevice.gate(hold());
        CompletableFuture<Initiator.Answer> write = a.startWrite(0, block(9));
        Initiator again = new Initiator(nodes.first, "a", 1, 1);
        nodes.firstDevice.gate(null);
        letGo();
        assertThat(write).isNotDone();
        assertThat(a.closed).hasSize(1);
        again.ready().fails(Condition.NEXUS_LOSS);
    }

    @Test
    void managementOfAnotherLunIsRefused() {
        assertThat(
                        Initiator.await(
                                a.nexus.manage(TaskManagement.LOGICAL_UNIT_RESET, 1L << 48, null)))
                .isEqualTo(TaskManagement.Response.INCORRECT_LUN);
        assertThat(a.manage(TaskManagement.CLEAR_ACA)).isEqualTo(TaskManagement.Response.REJECTED);
        assertThat(a.manage(TaskManagement.QUERY_TASK_SET))
                .isEqualTo(TaskManagement.Response.COMPLETE);
        assertThat(a.manage(TaskManagement.I_T_NEXUS_RESET))
                .isEqualTo(TaskManagement.Response.COMPLETE);
        assertThat(a.manage(TaskManagement.QUERY_ASYNC_EVENT))
                .isEqualTo(TaskManagement.Response.SUCCEEDED);
        assertThat(a.attention()).contains(0x2907);
    }
}
