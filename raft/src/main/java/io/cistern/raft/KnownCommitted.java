package io.cistern.raft;

import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.raftlog.RaftLog;

/// How far a replica may apply its own log as soon as it is open.
///
/// Ratis remembers no commit index unless it logs one with an entry of its own for each commit.
/// Without, a replica that restarts stands at its checkpoint until a leader tells it more; and
/// where the leader no longer has the entry that would follow in this replica's log, it offers its
/// whole state instead, and the log that is here goes unused. So each entry names an index that was
/// committed before it ([RaftEntry]), and the last one in the log is believed.
final class KnownCommitted {
    /// Entries without commands (elections, changes of membership) passed over at most.
    private static final int MAX_LOOKED_AT = 1024;

    private KnownCommitted() {}

    /// Raises the commit index of a replica that has just opened its log.
    ///
    /// @return the index; -1 if the log names none
    static long apply(RaftServer.Division division) {
        RaftLog log = division.getRaftLog();
        long committed = find(log);
        if (committed > log.getLastCommittedIndex()) {
            log.updateCommitIndex(committed, division.getInfo().getCurrentTerm(), false);
        }
        return committed;
    }

    private static long find(RaftLog log) {
        long last = log.getNextIndex() - 1;
        long first = Math.max(Math.max(log.getStartIndex(), 0), last - MAX_LOOKED_AT);
        try {
            for (long index = last; index >= first; index--) {
                LogEntryProto entry = log.get(index);
                if (entry != null && entry.hasStateMachineLogEntry()) {
                    return RaftEntry.committed(
                            entry.getStateMachineLogEntry().getLogData().asReadOnlyByteBuffer());
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return -1;
    }
}
