package io.cistern.iscsi.session;

import io.cistern.iscsi.pdu.ScsiRequest;
import io.cistern.iscsi.scsi.ScsiCommand;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/// A SCSI command under way. Event loop only.
///
/// ```
/// GATHERING --all its data is there--> READY --given to the nexus--> EXECUTING --> ENDED
///      \--transport error: answered without the nexus------------------------------^
///   any --aborted: not answered----------------------------------------------------^
/// ```
final class Task {
    enum State {
        GATHERING,
        READY,
        EXECUTING,
        ENDED
    }

    private final ScsiRequest request;
    private final ScsiCommand command;
    private final long expected;
    private final boolean immediate;

    State state = State.GATHERING;

    /// To be aborted: it is not given to the nexus any more, and not answered.
    boolean doomed;

    /// Set while data is gathered.
    @Nullable WriteGather gather;

    /// What the nexus gets; owned until then.
    ByteBuf dataOut = Unpooled.EMPTY_BUFFER;

    /// What [io.cistern.iscsi.scsi.Nexus#dataOutLength] said.
    long wanted;

    /// R2T and Data-In PDUs sent.
    int dataSn;

    /// Bytes taken from the budgets, given back when the task's data is done with.
    long writeReserved;

    long readReserved;

    Task(ScsiRequest request, ScsiCommand command) {
        this.request = request;
        this.command = command;
        this.immediate = request.flags().immediate();
        this.expected = reads() || writes() ? Integer.toUnsignedLong(request.expectedLength()) : 0;
    }

    ScsiRequest request() {
        return request;
    }

    ScsiCommand command() {
        return command;
    }

    int itt() {
        return request.itt();
    }

    boolean reads() {
        return request.flags().read();
    }

    boolean writes() {
        return request.flags().write();
    }

    boolean immediate() {
        return immediate;
    }

    /// Expected Data Transfer Length, 0 where there is no direction.
    long expected() {
        return expected;
    }

    boolean ordered() {
        return command.attribute() == ScsiCommand.Attribute.ORDERED;
    }

    void releaseData() {
        ByteBuf data = dataOut;
        dataOut = Unpooled.EMPTY_BUFFER;
        data.release();
        if (gather != null) {
            gather.release();
        }
    }
}
