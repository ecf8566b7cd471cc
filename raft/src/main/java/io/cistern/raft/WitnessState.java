package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/// The state of a witness: none, but a position up to which it needs no log.
///
/// Everything applied is committed, and there is nothing to apply, so any position that was applied
/// may be that. It is written every [#INTERVAL_ENTRIES] entries, beside the apply thread, and when
/// a leader no longer has the entries that this replica lacks. The file `witness` in the state's
/// directory; all numbers are big-endian.
///
/// ```
/// file     = magic version term index checksum
/// magic    = u32  0x43535754, "CSWT"
/// version  = u16  1
/// term     = u64  of the entry at `index`
/// index    = u64  the log is not needed up to here
/// checksum = u32  CRC32C of all before it
/// ```
public final class WitnessState implements StateMachine {
    static final String NAME = "witness";
    static final int INTERVAL_ENTRIES = 4096;

    private static final int MAGIC = 0x43535754;
    private static final short VERSION = 1;
    private static final int BYTES = 26;
    private static final LogPosition NOTHING = new LogPosition(0, -1);

    private final Path directory;
    private final Executor writer;
    private final Halt halt;
    private final int intervalEntries;
    private volatile LogPosition durable;

    /// Guarded by this.
    private boolean writing;

    private WitnessState(
            Path directory, Executor writer, Halt halt, int intervalEntries, LogPosition durable) {
        this.directory = directory;
        this.writer = writer;
        this.halt = halt;
        this.intervalEntries = intervalEntries;
        this.durable = durable;
    }

    /// Reads the state in `directory`, or begins a new one.
    ///
    /// @param writer runs what blocks on the disk
    /// @param halt called where the disk fails
    /// @throws CisternException CORRUPT: another witness has to take its place; IO
    public static WitnessState open(Path directory, Executor writer, Halt halt) {
        return open(directory, writer, halt, INTERVAL_ENTRIES);
    }

    static WitnessState open(Path directory, Executor writer, Halt halt, int intervalEntries) {
        Path file = directory.resolve(NAME);
        try {
            DurableFiles.createDirectories(directory);
            LogPosition durable = decode(Files.readAllBytes(file), file);
            return new WitnessState(directory, writer, halt, intervalEntries, durable);
        } catch (NoSuchFileException e) {
            return new WitnessState(directory, writer, halt, intervalEntries, NOTHING);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + file + ": " + e, e);
        }
    }

    static byte[] encode(LogPosition position) {
        ByteBuffer file = ByteBuffer.allocate(BYTES).putInt(MAGIC).putShort(VERSION);
        file.putLong(position.term()).putLong(position.index());
        return file.putInt(Crc32c.of(file.array(), 0, file.position())).array();
    }

    /// @throws CisternException CORRUPT; INVALID: of a later version
    static LogPosition decode(byte[] bytes, Path file) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        if (bytes.length != BYTES
                || in.getInt() != MAGIC
                || Crc32c.of(bytes, 0, BYTES - Integer.BYTES) != in.getInt(BYTES - Integer.BYTES)) {
            throw new CisternException(
                    ErrorCode.CORRUPT, file + " is damaged: it is not as it was written");
        }
        short version = in.getShort();
        if (version != VERSION) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    file + " has version " + version + ", this program knows " + VERSION);
        }
        return new LogPosition(in.getLong(), in.getLong());
    }

    @Override
    public LogPosition checkpointed() {
        return durable;
    }

    @Override
    public List<@Nullable Object> apply(LogPosition position, List<ByteBuffer> commands) {
        throw new IllegalStateException(
                "a witness was given " + commands.size() + " commands at " + position);
    }

    @Override
    public void advance(LogPosition position) {
        if (position.index() - durable.index() < intervalEntries) {
            return;
        }
        synchronized (this) {
            if (writing) {
                return;
            }
            writing = true;
        }
        writer.execute(() -> {
            try {
                write(position);
            } catch (IOException e) {
                halt.halt("cannot write the state of the witness in " + directory, e);
            } finally {
                synchronized (this) {
                    writing = false;
                }
            }
        });
    }

    /// There is nothing to fetch: the leader's position is taken on.
    @Override
    public CompletableFuture<LogPosition> install(Peer leader, LogPosition firstAvailable) {
        LogPosition reached = new LogPosition(firstAvailable.term(), firstAvailable.index() - 1);
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        write(reached);
                        return reached;
                    } catch (IOException e) {
                        throw new CisternException(
                                ErrorCode.IO, "cannot write " + directory.resolve(NAME), e);
                    }
                },
                writer);
    }

    private synchronized void write(LogPosition position) throws IOException {
        if (position.index() > durable.index()) {
            DurableFiles.replace(directory.resolve(NAME), encode(position));
            durable = position;
        }
    }

    @Override
    public void leadershipChanged(Leadership leadership) {}

    @Override
    public void membersChanged(List<Peer> members) {}
}
