package io.cistern.vmdisk;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The driver's list of attachments on disk: `attachments.json`, replaced as a whole, and once more
/// as `attachments.json.copy`: without it a flipped bit would leave guests without their disks.
///
/// A replacement is written beside it, synced, renamed over it and the directory synced, first of
/// the list and then of the copy, so a crash leaves either the old list or the new one, and a copy
/// that is at most one change older. Each carries a checksum of the list: CRC32C, in hexadecimal,
/// of its compact JSON.
final class AttachmentStore {
    static final String FILE = "attachments.json";
    static final String COPY = "attachments.json.copy";
    static final int VERSION = 3;

    /// Had neither transport, resume key nor size.
    private static final int OLDEST_VERSION = 1;

    /// From here on there is a checksum.
    private static final int CHECKED_VERSION = 3;

    /// Largest file read, in bytes.
    private static final long MAX_BYTES = 1 << 20;

    private static final ObjectMapper JSON =
            new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private static final Logger LOG = LoggerFactory.getLogger(AttachmentStore.class);

    private final Path file;
    private final Path copy;

    /// The file's content.
    ///
    /// @param checksum null before version 3
    record Content(int version, @Nullable String checksum, List<AttachmentRecord> attachments) {}

    AttachmentStore(Path home) {
        this.file = home.resolve(FILE);
        this.copy = home.resolve(COPY);
    }

    /// The list as last saved; empty where none was. Where the file is damaged or missing its copy
    /// stands in, and both are written anew. For the driver alone.
    ///
    /// @throws CisternException CORRUPT where neither can be understood, INVALID where a newer
    ///   version wrote it, IO
    List<AttachmentRecord> load() {
        List<AttachmentRecord> found = null;
        try {
            found = read(file);
        } catch (CisternException e) {
            if (e.code() != ErrorCode.CORRUPT || !Files.exists(copy)) {
                throw e; // too new: the copy may be from before
            }
            LOG.warn("{}; {} is used, which may be one change older", e.getMessage(), copy);
        }
        if (found == null) {
            found = read(copy);
        }
        if (found != null) {
            mend(found);
        }
        return found == null ? List.of() : found;
    }

    /// Writes both anew where they are not the same.
    private void mend(List<AttachmentRecord> attachments) {
        try {
            byte[] all = encode(attachments);
            for (Path path : List.of(file, copy)) {
                if (!Files.exists(path) || !Arrays.equals(Files.readAllBytes(path), all)) {
                    save(attachments);
                    return;
                }
            }
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    private static @Nullable List<AttachmentRecord> read(Path file) {
        try {
            if (!Files.exists(file)) {
                return null;
            }
            if (Files.size(file) > MAX_BYTES) {
                throw corrupt(file, "it is larger than " + MAX_BYTES + " bytes", null);
            }
            var tree = JSON.readTree(Files.readAllBytes(file));
            int version = tree.path("version").asInt(-1);
            if (version > VERSION) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        file
                                + " has version "
                                + version
                                + ", this program knows "
                                + VERSION
                                + ": run the newer program that wrote it");
            }
            if (version < OLDEST_VERSION) {
                throw corrupt(file, "it names no version", null);
            }
            if (version >= CHECKED_VERSION || tree.has("checksum")) {
                String told = tree.path("checksum").asText("");
                if (!told.equals(checksum(tree.path("attachments")))) {
                    throw corrupt(file, "its checksum does not fit", null);
                }
            }
            if (version == OLDEST_VERSION) {
                complete(tree.path("attachments"));
            }
            List<AttachmentRecord> found = JSON.treeToValue(tree, Content.class).attachments();
            if (found == null || found.stream().anyMatch(AttachmentStore::incomplete)) {
                throw corrupt(file, "an attachment lacks a field", null);
            }
            return List.copyOf(found);
        } catch (com.fasterxml.jackson.core.JacksonException e) {
            throw corrupt(file, e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    /// Replaces the list. When this returns it is durable.
    ///
    /// @throws CisternException IO; the old list is then still in force, unless the copy alone
    ///   could not be written: which of them is told by [#load]
    void save(List<AttachmentRecord> attachments) {
        try {
            byte[] all = encode(attachments);
            DurableFiles.replace(file, all);
            DurableFiles.replace(copy, all);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot save the attachments to " + file + ": " + e.getMessage(),
                    e);
        }
    }

    private static byte[] encode(List<AttachmentRecord> attachments) throws IOException {
        String checksum = checksum(JSON.valueToTree(attachments));
        return JSON.writeValueAsBytes(new Content(VERSION, checksum, attachments));
    }

    private static String checksum(JsonNode attachments) throws IOException {
        byte[] compact =
                JSON.writer()
                        .without(SerializationFeature.INDENT_OUTPUT)
                        .writeValueAsBytes(attachments);
        return HexFormat.of().toHexDigits(Crc32c.of(compact, 0, compact.length));
    }

    /// Adds what version 1 did not have.
    private static void complete(JsonNode attachments) {
        for (JsonNode attachment : attachments) {
            if (attachment instanceof ObjectNode object) {
                object.put("transport", Transport.NBD.name())
                        .put("resumeKey", UUID.randomUUID().toString())
                        .put("sizeBytes", 0);
            }
        }
    }

    private static boolean incomplete(AttachmentRecord record) {
        return record == null
                || record.volume() == null
                || record.mode() == null
                || record.transport() == null
                || record.resumeKey() == null
                || record.socket() == null
                || record.ended() == null;
    }

    private static CisternException corrupt(Path file, String why, @Nullable Throwable cause) {
        String message =
                file
                        + " is damaged: "
                        + why
                        + "; move it and "
                        + COPY
                        + " away and attach the volumes again ('cistern status' and the guests'"
                        + " configuration tell which)";
        return cause == null
                ? new CisternException(ErrorCode.CORRUPT, message)
                : new CisternException(ErrorCode.CORRUPT, message, cause);
    }
}
