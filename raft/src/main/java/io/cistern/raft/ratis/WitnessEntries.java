package io.cistern.raft.ratis;

import org.apache.ratis.proto.RaftProtos.AppendEntriesRequestProto;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.StateMachineLogEntryProto;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;

/// What of an append goes to a witness: terms, indexes, memberships, and headers in the place of
/// what entries hold. Done by the leader, to spare the network, and by the witness, so that nothing
/// else reaches its disk whoever leads.
final class WitnessEntries {
    private WitnessEntries() {}

    /// @param last entries behind this index are left out
    static AppendEntriesRequestProto of(
            Witnesses witnesses, AppendEntriesRequestProto request, long last) {
        if (request.getEntriesCount() == 0) {
            return request;
        }
        AppendEntriesRequestProto.Builder reduced = request.toBuilder().clearEntries();
        for (LogEntryProto entry : request.getEntriesList()) {
            if (entry.getIndex() <= last) {
                reduced.addEntries(header(witnesses, entry));
            }
        }
        return reduced.build();
    }

    private static LogEntryProto header(Witnesses witnesses, LogEntryProto entry) {
        if (!entry.hasStateMachineLogEntry()) {
            return entry;
        }
        StateMachineLogEntryProto content = entry.getStateMachineLogEntry();
        ByteString header = witnesses.header(content.getLogData());
        return entry.toBuilder()
                .setStateMachineLogEntry(
                        content.toBuilder().setLogData(header).clearStateMachineEntry())
                .build();
    }
}
