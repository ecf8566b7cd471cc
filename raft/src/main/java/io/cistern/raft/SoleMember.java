package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.RaftConfigurationProto;
import org.apache.ratis.proto.RaftProtos.RaftPeerRole;

/// Makes a replica the only member of its group, while it is closed: for the day on which the
/// majority is lost for good.
///
/// A configuration entry that names this replica alone is appended to its log, so that the next
/// start elects it. Whatever its log holds becomes committed then; what only the lost members had
/// acknowledged is lost. The replica's file gets the id of another cluster, so that lost members
/// that turn up again are refused: they would elect a leader of their own.
public final class SoleMember {
    private static final byte[] HEADER = "RaftLog1".getBytes(StandardCharsets.US_ASCII);
    private static final String OPEN = "log_inprogress_";

    private SoleMember() {}

    /// Whether the replica may be made the only member: false for one that has no vote yet, since
    /// what it holds may be incomplete, and for a witness, which holds nothing. Changes nothing but
    /// a torn end of its log.
    ///
    /// @throws CisternException NOT_FOUND: no such replica; CORRUPT: its log is damaged or empty;
    ///   IO
    public static boolean possible(Path directory, GroupId group, String peerId) {
        if (Peer.isWitness(peerId)) {
            return false;
        }
        Path replica = RaftHost.directory(directory, group, peerId);
        try {
            ReplicaFile file = ReplicaFile.read(replica);
            if (file == null) {
                throw new CisternException(ErrorCode.NOT_FOUND, "no replica in " + replica);
            }
            LogInspector.Result log = inspect(current(replica, group));
            if (file.members().length == 0) {
                return log.lastTerm() > 0; // it was there when the group was made
            }
            return LogEntryProto.parseFrom(file.members())
                    .getConfigurationEntry()
                    .getPeersList()
                    .stream()
                    .anyMatch(peer -> peer.getId().toStringUtf8().equals(peerId));
        } catch (LogDamagedException e) {
            throw damaged(replica, e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + replica + ": " + e, e);
        }
    }

    private static CisternException damaged(Path replica, LogDamagedException e) {
        return new CisternException(
                ErrorCode.CORRUPT, replica + " cannot be used: " + e.getMessage(), e);
    }

    private static Path current(Path replica, GroupId group) {
        return replica.resolve(RatisPeers.groupId(group).getUuid().toString()).resolve("current");
    }

    /// Where the log begins is checked when the replica is opened, with its checkpoint.
    private static LogInspector.Result inspect(Path current)
            throws IOException, LogDamagedException {
        LogInspector.Result log = LogInspector.inspectWhole(current);
        if (log.firstIndex() > log.lastIndex()) {
            throw new LogDamagedException("its log in " + current + " is empty");
        }
        return log;
    }

    /// May be repeated, also after it was interrupted.
    ///
    /// @param directory of the host, see [RaftHost]
    /// @param self this replica, with the address that it will be reached at
    /// @param oldCluster id of the cluster it belongs to, `newCluster` of the one it goes to
    /// @throws CisternException NOT_FOUND: no such replica; INVALID: another cluster's, or a
    ///   witness; CORRUPT: its log is damaged or empty; IO
    public static void make(
            Path directory, GroupId group, Peer self, String oldCluster, String newCluster) {
        if (self.witness()) {
            throw new CisternException(
                    ErrorCode.INVALID, self.id() + " is a witness: there is nothing to bring up");
        }
        Path replica = RaftHost.directory(directory, group, self.id());
        try {
            ReplicaFile file = ReplicaFile.read(replica);
            if (file == null) {
                throw new CisternException(ErrorCode.NOT_FOUND, "no replica in " + replica);
            }
            if (file.cluster().equals(newCluster)) {
                return;
            }
            if (!file.cluster().equals(oldCluster)) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        replica + " belongs to cluster " + file.cluster() + ", not " + oldCluster);
            }
            byte[] entry = append(replica, group, self, file.term());
            ReplicaFile changed =
                    new ReplicaFile(
                            newCluster,
                            group,
                            file.peer(),
                            file.opened(),
                            file.term(),
                            file.vote(),
                            entry);
            // What is there counts, also where it is known to have been more.
            Files.deleteIfExists(replica.resolve(CommittedFile.NAME));
            changed.write(replica);
        } catch (LogDamagedException e) {
            throw damaged(replica, e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot change " + replica + ": " + e, e);
        }
    }

    private static byte[] append(Path replica, GroupId group, Peer self, long votedTerm)
            throws IOException, LogDamagedException {
        Path current = current(replica, group);
        LogInspector.Result log = inspect(current);
        long index = log.lastIndex() + 1;
        byte[] entry =
                LogEntryProto.newBuilder()
                        .setTerm(Math.max(log.lastTerm(), votedTerm))
                        .setIndex(index)
                        .setConfigurationEntry(
                                RaftConfigurationProto.newBuilder()
                                        .addPeers(
                                                RatisPeers.toRatis(self, RaftPeerRole.FOLLOWER)
                                                        .getRaftPeerProto()))
                        .build()
                        .toByteArray();
        byte[] frame = frame(entry);
        List<Path> open;
        try (Stream<Path> files = Files.list(current)) {
            open = files.filter(f -> f.getFileName().toString().startsWith(OPEN)).toList();
        }
        if (open.isEmpty()) {
            Path next = current.resolve(OPEN + index);
            byte[] bytes =
                    ByteBuffer.allocate(HEADER.length + frame.length)
                            .put(HEADER)
                            .put(frame)
                            .array();
            DurableFiles.replace(next, bytes);
        } else {
            Path last = open.getFirst();
            byte[] bytes = Files.readAllBytes(last);
            write(last, bytes.length == 0 ? 0 : end(bytes), bytes.length == 0, frame);
        }
        return entry;
    }

    /// Where the last entry ends.
    private static int end(byte[] file) {
        int at = HEADER.length;
        for (LogFrame f = LogFrame.read(file, at); f != null; f = LogFrame.read(file, at)) {
            at = f.end();
        }
        return at;
    }

    private static void write(Path path, int at, boolean header, byte[] frame) throws IOException {
        ByteBuffer out = ByteBuffer.allocate((header ? HEADER.length : 0) + frame.length);
        if (header) {
            out.put(HEADER);
        }
        out.put(frame).flip();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
            while (out.hasRemaining()) {
                channel.write(out, (long) at + out.position());
            }
            channel.force(true);
        }
    }

    /// See [LogFrame].
    private static byte[] frame(byte[] entry) {
        ByteBuffer out = ByteBuffer.allocate(5 + entry.length + LogFrame.CHECKSUM_BYTES);
        int length = entry.length;
        while (length > 0x7f) {
            out.put((byte) (length & 0x7f | 0x80));
            length >>>= 7;
        }
        out.put((byte) length).put(entry);
        CRC32C crc = new CRC32C();
        crc.update(out.array(), 0, out.position());
        out.putInt((int) crc.getValue());
        return java.util.Arrays.copyOf(out.array(), out.position());
    }
}
