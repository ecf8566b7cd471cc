package io.cistern.raft;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The file `replica` in a replica's directory: whose log it is, and copies of what Ratis keeps
/// without a checksum. All numbers are big-endian; a string is a u16 length and UTF-8.
///
/// ```
/// file     = magic version length body checksum
/// magic    = u32  0x43535250, "CSRP"
/// version  = u16  1
/// length   = u32  bytes of body, at most 1 MiB
/// body     = cluster group peer opened term vote members
/// cluster  = string  the cluster's id
/// group    = u64     the group's id
/// peer     = string  this replica's peer id
/// opened   = u8      1 once Ratis has made its files: from then on they must be there
/// term     = u64     the last term whose vote may have left this node
/// vote     = string  the peer voted for in it; empty for none
/// members  = u32 length, then the last applied configuration entry as a Ratis LogEntryProto;
///            empty before the first
/// checksum = u32  CRC32C of all before it
/// ```
///
/// It is replaced by a rename, and the directory is synced: a reader sees an old or a new file.
///
/// @param opened see the format
/// @param members the configuration entry's bytes
record ReplicaFile(
        String cluster,
        GroupId group,
        String peer,
        boolean opened,
        long term,
        String vote,
        byte[] members) {
    static final String NAME = "replica";
    static final int MAGIC = 0x43535250;
    static final int VERSION = 1;

    private static final int MAX_BODY_BYTES = 1 << 20;
    private static final int HEADER_BYTES = 10;

    static ReplicaFile fresh(String cluster, GroupId group, String peer) {
        return new ReplicaFile(cluster, group, peer, false, 0, "", new byte[0]);
    }

    ReplicaFile withOpened() {
        return new ReplicaFile(cluster, group, peer, true, term, vote, members);
    }

    ReplicaFile withVote(long newTerm, String newVote) {
        return new ReplicaFile(cluster, group, peer, opened, newTerm, newVote, members);
    }

    ReplicaFile withMembers(byte[] changed) {
        return new ReplicaFile(cluster, group, peer, opened, term, vote, changed);
    }

    byte[] encode() {
        try {
            ByteArrayOutputStream body = new ByteArrayOutputStream();
            DataOutputStream out = new DataOutputStream(body);
            out.writeUTF(cluster);
            out.writeLong(group.value());
            out.writeUTF(peer);
            out.writeByte(opened ? 1 : 0);
            out.writeLong(term);
            out.writeUTF(vote);
            out.writeInt(members.length);
            out.write(members);
            byte[] bytes = new byte[HEADER_BYTES + body.size() + Integer.BYTES];
            ByteBuffer file = ByteBuffer.wrap(bytes);
            file.putInt(MAGIC).putShort((short) VERSION).putInt(body.size());
            file.put(body.toByteArray());
            file.putInt(Crc32c.of(bytes, 0, file.position()));
            return bytes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// @param source named in failures
    /// @throws LogDamagedException if the bytes are not what was written
    /// @throws CisternException INVALID if a newer program wrote them
    static ReplicaFile decode(byte[] bytes, Path source) throws LogDamagedException {
        ByteBuffer file = ByteBuffer.wrap(bytes);
        if (bytes.length < HEADER_BYTES + Integer.BYTES || file.getInt() != MAGIC) {
            throw new LogDamagedException(source + " does not begin as the file of a replica");
        }
        int version = file.getShort() & 0xffff;
        int length = file.getInt();
        boolean whole =
                length >= 0
                        && length <= MAX_BODY_BYTES
                        && bytes.length == HEADER_BYTES + length + Integer.BYTES;
        if (!whole
                || Crc32c.of(bytes, 0, bytes.length - Integer.BYTES)
                        != file.getInt(bytes.length - Integer.BYTES)) {
            throw new LogDamagedException(source + " does not match its checksum");
        }
        if (version != VERSION) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    source
                            + " has format "
                            + version
                            + ", this program reads "
                            + VERSION
                            + ": use a newer program");
        }
        try {
            DataInputStream in =
                    new DataInputStream(new ByteArrayInputStream(bytes, HEADER_BYTES, length));
            String cluster = in.readUTF();
            GroupId group = new GroupId(in.readLong());
            String peer = in.readUTF();
            boolean opened = in.readByte() != 0;
            long term = in.readLong();
            String vote = in.readUTF();
            byte[] members = in.readNBytes(in.readInt());
            return new ReplicaFile(cluster, group, peer, opened, term, vote, members);
        } catch (IOException | IllegalArgumentException e) {
            throw new LogDamagedException(source + " cannot be read: " + e.getMessage());
        }
    }

    /// The file in `directory`, or null if there is none.
    static @Nullable ReplicaFile read(Path directory) throws IOException, LogDamagedException {
        Path path = directory.resolve(NAME);
        try {
            return decode(Files.readAllBytes(path), path);
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    /// Replaces the file, durably.
    void write(Path directory) throws IOException {
        DurableFiles.replace(directory.resolve(NAME), encode());
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof ReplicaFile that
                && cluster.equals(that.cluster)
                && group.equals(that.group)
                && peer.equals(that.peer)
                && opened == that.opened
                && term == that.term
                && vote.equals(that.vote)
                && Arrays.equals(members, that.members);
    }

    @Override
    public int hashCode() {
        return Objects.hash(cluster, group, peer, opened, term, vote, Arrays.hashCode(members));
    }
}
