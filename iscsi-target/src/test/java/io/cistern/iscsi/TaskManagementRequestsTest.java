package io.cistern.iscsi;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.iscsi.pdu.DataIn;
import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.ReadyToTransfer;
import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.pdu.ScsiResponse;
import io.cistern.iscsi.pdu.TaskManagementRequest;
import io.cistern.iscsi.pdu.TaskManagementResponse;
import io.cistern.iscsi.scsi.TaskManagement;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Task management of a session.
class TaskManagementRequestsTest {
    private static final int BLOCK = MemoryTarget.BLOCK;
    private final Served served = Served.open();

    @AfterEach
    void stop() {
        served.close();
        assertThat(served.portal.metrics().writeBytesHeld()).isZero();
        assertThat(served.portal.metrics().readBytesHeld()).isZero();
    }

    /// Requests wait until the gate is opened.
    private CompletableFuture<Void> gate() {
        CompletableFuture<Void> gate = new CompletableFuture<>();
        served.target.device().gate((operation, offset, length) -> gate);
        return gate;
    }

    private TaskManagementRequest function(
            RawInitiator initiator, int function, int referenced, int refCmdSn) {
        return new TaskManagementRequest(
                true,
                function,
                0,
                initiator.nextItt++,
                referenced,
                initiator.cmdSn,
                0,
                refCmdSn,
                0);
    }

    private int manage(RawInitiator initiator, int function, @Nullable ScsiRequest referenced)
            throws IOException {
        initiator.send(
                function(
                        initiator,
                        function,
                        referenced == null ? Pdu.NO_TAG : referenced.itt(),
                        referenced == null ? 0 : referenced.cmdSn()));
        return initiator.receive(TaskManagementResponse.class).response();
    }

    @Test
    void tasksAreAbortedWhereverTheyAre() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served, "ImmediateData", "No")) {
            // while its data is gathered
            ScsiRequest write = initiator.write(true, 0, 1, BLOCK, new byte[0]);
            initiator.send(write);
            ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
            assertThat(manage(initiator, 1, write)).isZero();
            initiator.answer(r2t, new byte[BLOCK], BLOCK);
            // while it is carried out
            CompletableFuture<Void> gate = gate();
            ScsiRequest read = initiator.read(0, 1, BLOCK);
            initiator.send(read);
            TaskManagementRequest ofAnotherLun =
                    new TaskManagementRequest(
                            true,
                            1,
                            0x0001_0000_0000_0000L,
                            initiator.nextItt++,
                            read.itt(),
                            initiator.cmdSn,
                            0,
                            read.cmdSn(),
                            0);
            initiator.send(ofAnotherLun);
            assertThat(initiator.receive(TaskManagementResponse.class).response()).isEqualTo(1);
            assertThat(manage(initiator, 1, read)).isZero();
            served.target.device().gate(null);
            gate.complete(null);
            // before it has come: it is ignored when it comes
            ScsiRequest late = initiator.command(RawInitiator.testUnitReady());
            assertThat(manage(initiator, 1, late)).isZero();
            initiator.send(late);
            // after it has ended
            assertThat(manage(initiator, 1, read)).isEqualTo(1);
            assertThat(initiator.quiet(100)).isTrue();
            assertThat(initiator.status()).isZero();
        }
    }

    @Test
    void resetsEndAllTasksWithoutAnswers() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served, "ImmediateData", "No");
                RawInitiator other = new RawInitiator(served.port())) {
            other.isid = 2;
            other.logIn(Served.TARGET);
            CompletableFuture<Void> gate = gate();
            initiator.send(initiator.read(0, 1, BLOCK));
            initiator.send(initiator.write(true, 0, 1, BLOCK, new byte[0]));
            initiator.receive(ReadyToTransfer.class);
            other.send(other.read(0, 1, BLOCK));
            Awaitility.await()
                    .until(() ->
                            served.portal.sessions().stream()
                                            .mapToInt(s -> s.traffic().inFlight())
                                            .sum()
                                    == 3);
            // The R2T is never answered: after a while it is not waited for any more.
            assertThat(manage(initiator, 5, null)).isZero();
            served.target.device().gate(null);
            gate.complete(null);
            assertThat(initiator.quiet(100)).isTrue();
            assertThat(initiator.status()).isZero();
            assertThat(other.status()).isZero();
            assertThat(served.target.managed).containsExactly(TaskManagement.LOGICAL_UNIT_RESET);
            assertThat(manage(initiator, 2, null)).isZero();
            assertThat(manage(initiator, 6, null)).isZero();
        }
    }

    @Test
    void aResetWaitsForDataThatWasAskedFor() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served, "ImmediateData", "No")) {
            initiator.send(initiator.write(true, 0, 1, BLOCK, new byte[0]));
            ReadyToTransfer r2t = initiator.receive(ReadyToTransfer.class);
            initiator.send(function(initiator, 2, Pdu.NO_TAG, 0));
            // A command after the reset is not part of it.
            ScsiRequest after = initiator.command(RawInitiator.testUnitReady());
            initiator.send(after);
            assertThat(initiator.quiet(100)).isTrue();
            initiator.answer(r2t, new byte[BLOCK], BLOCK);
            assertThat(initiator.receive(TaskManagementResponse.class).response()).isZero();
            assertThat(initiator.receive(ScsiResponse.class).itt()).isEqualTo(after.itt());
        }
    }

    @Test
    void functionsThatAreNotThereAreToldApart() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served)) {
            assertThat(manage(initiator, 8, null)).isEqualTo(4);
            assertThat(manage(initiator, 9, null)).isEqualTo(5);
            assertThat(manage(initiator, 0, null)).isEqualTo(5);
            assertThat(manage(initiator, 77, null)).isEqualTo(5);
            assertThat(manage(initiator, 3, null)).isEqualTo(255);
        }
        try (RawInitiator initiator = RawInitiator.login(served, "iSCSIProtocolLevel", "2")) {
            assertThat(initiator.answers).containsEntry("iSCSIProtocolLevel", "2");
            CompletableFuture<Void> gate = gate();
            ScsiRequest read = initiator.read(0, 1, BLOCK);
            initiator.send(read);
            assertThat(manage(initiator, 9, read)).isEqualTo(7);
            served.target.device().gate(null);
            gate.complete(null);
            initiator.receive(DataIn.class);
            assertThat(manage(initiator, 9, read)).isZero();
            assertThat(manage(initiator, 11, null)).isZero();
        }
    }

    @Test
    void aColdResetEndsEverySessionOfTheTarget() throws IOException {
        try (RawInitiator initiator = RawInitiator.login(served);
                RawInitiator other = new RawInitiator(served.port())) {
            other.isid = 2;
            other.logIn(Served.TARGET);
            assertThat(manage(initiator, 7, null)).isZero();
            initiator.expectEnd();
            other.expectEnd();
        }
    }
}
