package io.cistern.vmdisk;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cistern.block.CisternException;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;

/// The driver's list of attachments on disk: `attachments.json`, replaced as a whole.
///
/// A replacement is written beside it, synced, renamed over it and the directory synced, so a crash
/// leaves either the old list or the new one.
final class AttachmentStore {
    static final String FILE = "attachments.json";
    static final int VERSION = 2;

    /// Had neither transport, resume key nor size.
    private static final int OLDEST_VERSION = 1;

    /// Largest file read, in bytes.
    private static final long MAX_BYTES = 1 << 20;

    private static final ObjectMapper JSON =
            new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private final Path file;

    /// The file's content.
    record Content(int version, List<AttachmentRecord> attachments) {}

    AttachmentStore(Path home) {
        this.file = home.resolve(FILE);
    }

    /// The list as last saved; empty where none was.
    ///
    /// @throws CisternException CORRUPT where the file cannot be understood, INVALID where a newer
    ///   version wrote it, IO
    List<AttachmentRecord> load() {
        try {
            if (!Files.exists(file)) {
                return List.of();
            }
            if (Files.size(file) > MAX_BYTES) {
                throw corrupt("it is larger than " + MAX_BYTES + " bytes", null);
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
                throw corrupt("it names no version", null);
            }
            if (version == OLDEST_VERSION) {
                complete(tree.path("attachments"));
            }
            List<AttachmentRecord> found = JSON.treeToValue(tree, Content.class).attachments();
            if (found == null || found.stream().anyMatch(AttachmentStore::incomplete)) {
                throw corrupt("an attachment lacks a field", null);
            }
            return List.copyOf(found);
        } catch (com.fasterxml.jackson.core.JacksonException e) {
            throw corrupt(e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    /// Replaces the list. When this returns it is durable.
    ///
    /// @throws CisternException IO; the old list is then still in force
    void save(List<AttachmentRecord> attachments) {
        try {
            DurableFiles.replace(file, JSON.writeValueAsBytes(new Content(VERSION, attachments)));
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot save the attachments to " + file + ": " + e.getMessage(),
                    e);
        }
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

    private CisternException corrupt(
            String why, @org.jspecify.annotations.Nullable Throwable cause) {
        String message =
                file + " is damaged: " + why + "; move it away and attach the volumes again";
        return cause == null
                ? new CisternException(ErrorCode.CORRUPT, message)
                : new CisternException(ErrorCode.CORRUPT, message, cause);
    }
}
