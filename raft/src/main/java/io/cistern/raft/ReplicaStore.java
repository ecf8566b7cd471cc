package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import io.cistern.block.FileTrees;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.Properties;
import java.util.concurrent.locks.LockSupport;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.RaftConfigurationProto;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A replica's directory, and the check that all in it is as it was written, before Ratis opens it.
///
/// ```
/// replica                     whose log it is, see ReplicaFile
/// committed                   how far it must reach, see CommittedFile
/// <uuid>/current/raft-meta       Ratis: term and vote, as text
/// <uuid>/current/raft-meta.conf  Ratis: the last applied configuration entry
/// <uuid>/current/log_…           Ratis: the log
/// ```
///
/// Ratis keeps term, vote and membership without a checksum, takes a lost directory for a new
/// replica, and falls back to the initial members where it cannot read the membership. So
/// [ReplicaFile] has copies. The vote's is written before the vote leaves this node, so a
/// `raft-meta` that is older, or says otherwise in the same term, is damaged. The membership's is
/// never older than what the log needs (entries are purged only once they, and with them the copy,
/// are durable), so it replaces Ratis' file; one that is older all the same was put back by
/// somebody, and is damage as well.
final class ReplicaStore {
    private static final Logger log = LoggerFactory.getLogger(ReplicaStore.class);

    private static final String META = "raft-meta";
    private static final String CONF = "raft-meta.conf";

    /// A disk that takes longer for two small files is of no use to a group.
    private static final Duration VOTE_PATIENCE = Duration.ofSeconds(30);

    private static final long VOTE_LOOK_NANOS = 1_000_000;

    private final Path directory;
    private final Path current;
    private final GroupId group;

    private long lastIndexAtOpen = -1;
    private long committed = -1;
    private ReplicaFile file;

    private ReplicaStore(Path directory, ReplicaFile file) {
        this.directory = directory;
        this.group = file.group();
        this.current = currentDirectory(directory, group);
        this.file = file;
    }

    private static Path currentDirectory(Path directory, GroupId group) {
        return directory.resolve(RatisPeers.groupId(group).getUuid().toString()).resolve("current");
    }

    /// Checks a replica's directory, or makes a new one.
    ///
    /// @param checkpoint the position up to which the log is not needed
    /// @throws LogDamagedException if it must not be used; nothing was changed then
    /// @throws CisternException INVALID if it is another replica's
    static ReplicaStore open(Path directory, ReplicaFile wanted, LogPosition checkpoint)
            throws IOException, LogDamagedException {
        DurableFiles.createDirectories(directory);
        ReplicaFile found = ReplicaFile.read(directory);
        Path current = currentDirectory(directory, wanted.group());
        if (found == null && Files.exists(current)) {
            throw new LogDamagedException(
                    directory.resolve(ReplicaFile.NAME) + " is missing beside a log");
        }
        if (found == null && checkpoint.index() >= 0) {
            throw new LogDamagedException(
                    "the log in "
                            + directory
                            + " is missing, and with it term and vote, but the state here reaches"
                            + " to entry "
                            + checkpoint.index());
        }
        if (found == null) {
            DurableFiles.sync(Objects.requireNonNull(directory.toAbsolutePath().getParent()));
            wanted.write(directory);
            return new ReplicaStore(directory, wanted);
        }
        if (!found.cluster().equals(wanted.cluster())
                || !found.group().equals(wanted.group())
                || !found.peer().equals(wanted.peer())) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    directory
                            + " holds replica "
                            + found.peer()
                            + " of "
                            + found.group()
                            + " of cluster "
                            + found.cluster());
        }
        ReplicaStore store = new ReplicaStore(directory, found);
        if (found.opened()) {
            store.check(checkpoint);
        } else {
            store.begin();
        }
        return store;
    }

    /// The process ended while the files were being made: they are made anew.
    ///
    /// @throws LogDamagedException if the replica has taken part all the same
    private void begin() throws IOException, LogDamagedException {
        boolean used =
                Files.isDirectory(current) && !LogInspector.segments(current).isEmpty()
                        || Files.exists(current.resolve(META)) && readVote().term > 0
                        || Files.exists(directory.resolve(CommittedFile.NAME));
        if (used) {
            throw new LogDamagedException(
                    directory.resolve(ReplicaFile.NAME)
                            + " is of the time before this replica took part, but there is a log or"
                            + " a vote: it is an old copy");
        }
        FileTrees.delete(current);
    }

    private void check(LogPosition checkpoint) throws IOException, LogDamagedException {
        if (!Files.isRegularFile(current.resolve(META))) {
            throw new LogDamagedException(current.resolve(META) + " is missing");
        }
        checkVote();
        committed = CommittedFile.read(directory);
        LogInspector.Result found = LogInspector.inspect(current, checkpoint.index(), committed);
        lastIndexAtOpen = Math.max(found.lastIndex(), checkpoint.index());
        raiseTerm(Math.max(found.lastTerm(), checkpoint.term()));
        restoreMembers(found);
        log.info(
                "{}: log from {} to {}, {} bytes cut off",
                directory,
                found.firstIndex(),
                found.lastIndex(),
                found.cutBytes());
    }

    private void checkVote() throws IOException, LogDamagedException {
        Vote vote = readVote();
        boolean older = vote.term < file.term();
        boolean other =
                vote.term == file.term()
                        && !file.vote().isEmpty()
                        && !vote.peer.equals(file.vote());
        if (older || other) {
            throw new LogDamagedException(
                    current.resolve(META)
                            + " says term "
                            + vote.term
                            + " and vote '"
                            + vote.peer
                            + "', but "
                            + file.term()
                            + " and '"
                            + file.vote()
                            + "' have left this node");
        }
    }

    /// A power cut may take back the term that came with the first entries of it, which nobody was
    /// answered then. If it was not that, but old copies of both files, the vote in that term is
    /// forgotten: so there is none to give any more, which holds nobody up for longer than a term.
    private void raiseTerm(long term) throws IOException, LogDamagedException {
        if (readVote().term >= term) {
            return;
        }
        log.warn("{}: the log is of term {}, which the vote file lacks", current, term);
        String text = "votedFor=" + file.peer() + "\nterm=" + term + "\n";
        DurableFiles.replace(current.resolve(META), text.getBytes(StandardCharsets.UTF_8));
        save(file.withVote(term, file.peer()));
    }

    /// @throws LogDamagedException where Ratis' file tells of a later membership, which the log no
    ///   longer has
    private void restoreMembers(LogInspector.Result found) throws IOException, LogDamagedException {
        Path conf = current.resolve(CONF);
        byte[] there = Files.exists(conf) ? Files.readAllBytes(conf) : new byte[0];
        if (file.members().length == 0 && there.length == 0
                || Arrays.equals(there, file.members())) {
            return;
        }
        long own = membersIndex(file.members());
        long other = membersIndex(there);
        if (other > own && other < found.firstIndex()) {
            throw new LogDamagedException(
                    directory.resolve(ReplicaFile.NAME)
                            + " names the members as of entry "
                            + own
                            + ", but "
                            + conf
                            + " as of entry "
                            + other
                            + ": one of them is an old copy or damaged");
        }
        if (file.members().length > 0) {
            log.info("{}: taking the membership from {}", conf, ReplicaFile.NAME);
            DurableFiles.replace(conf, file.members());
        }
    }

    /// Index of the configuration entry in `bytes`; -1 where they are none.
    private static long membersIndex(byte[] bytes) {
        try {
            LogEntryProto entry = LogEntryProto.parseFrom(bytes);
            return entry.hasConfigurationEntry() ? entry.getIndex() : -1;
        } catch (IOException e) {
            return -1;
        }
    }

    private record Vote(long term, String peer) {}

    private Vote readVote() throws IOException, LogDamagedException {
        Path meta = current.resolve(META);
        Properties properties = new Properties();
        try {
            properties.load(
                    new StringReader(new String(Files.readAllBytes(meta), StandardCharsets.UTF_8)));
            String term = properties.getProperty("term");
            String vote = properties.getProperty("votedFor");
            if (term == null || vote == null) {
                throw new LogDamagedException(meta + " lacks the term or the vote");
            }
            return new Vote(Long.parseLong(term), vote);
        } catch (IllegalArgumentException e) {
            throw new LogDamagedException(meta + " cannot be read: " + e.getMessage());
        }
    }

    /// Ratis has made its files and is about to take part: they must be there from now on.
    synchronized void opened() throws IOException {
        if (!file.opened()) {
            DurableFiles.sync(current);
            DurableFiles.sync(Objects.requireNonNull(current.getParent()));
            save(file.withOpened());
        }
    }

    /// Makes the vote that Ratis has stored durable: its rename, and the copy of it.
    ///
    /// A candidate is in its new term before it has stored it, and not under the lock under which
    /// votes are answered. So what is said in that term meanwhile waits here.
    ///
    /// @param term that this replica is in
    /// @throws IOException also where the vote file stays at an earlier term: Ratis goes on in a
    ///   term that it failed to store
    void voted(long term) throws IOException {
        voted(term, VOTE_PATIENCE);
    }

    synchronized void voted(long term, Duration patience) throws IOException {
        try {
            awaitStored(term, patience);
            DurableFiles.sync(current);
            Vote vote = readVote();
            if (vote.term != file.term() || !vote.peer.equals(file.vote())) {
                save(file.withVote(vote.term, vote.peer));
            }
        } catch (LogDamagedException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private void awaitStored(long term, Duration patience) throws IOException, LogDamagedException {
        long begun = System.nanoTime();
        for (long stored = readVote().term; stored < term; stored = readVote().term) {
            if (System.nanoTime() - begun >= patience.toNanos()) {
                throw new IOException(
                        current.resolve(META)
                                + " says term "
                                + stored
                                + ", but this replica is in term "
                                + term
                                + ", which could not be stored");
            }
            LockSupport.parkNanos(VOTE_LOOK_NANOS);
        }
    }

    /// All up to `index` is committed, and durable here.
    synchronized void committed(long index) throws IOException {
        if (index > committed) {
            CommittedFile.write(directory, index);
            committed = index;
        }
    }

    /// A configuration entry was applied.
    synchronized void membersChanged(long term, long index, RaftConfigurationProto configuration)
            throws IOException {
        LogEntryProto entry =
                LogEntryProto.newBuilder()
                        .setTerm(term)
                        .setIndex(index)
                        .setConfigurationEntry(configuration)
                        .build();
        save(file.withMembers(entry.toByteArray()));
    }

    /// True unless the group of the replica in `directory` is known to have no other member.
    static boolean othersKnown(Path directory, String peerId) {
        try {
            ReplicaFile file = ReplicaFile.read(directory);
            if (file == null || file.members().length == 0) {
                return true;
            }
            LogEntryProto entry = LogEntryProto.parseFrom(file.members());
            return RatisStateMachine.peers(entry.getConfigurationEntry()).stream()
                    .anyMatch(peer -> !peer.id().equals(peerId));
        } catch (IOException | LogDamagedException e) {
            log.warn("{}: the membership cannot be read", directory, e);
            return true;
        }
    }

    Path directory() {
        return directory;
    }

    /// The last index in the log that was found; -1 for a new replica.
    long lastIndexAtOpen() {
        return lastIndexAtOpen;
    }

    /// Where Ratis keeps its files.
    Path current() {
        return current;
    }

    private void save(ReplicaFile changed) throws IOException {
        changed.write(directory);
        file = changed;
    }
}
