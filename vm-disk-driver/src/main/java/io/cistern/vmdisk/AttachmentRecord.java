package io.cistern.vmdisk;

import io.cistern.block.Names;
import io.cistern.storage.Command.AttachMode;
import java.util.UUID;

/// What the driver remembers of an attachment over restarts.
///
/// @param volume `VOLUME` or `VOLUME@SNAPSHOT`
/// @param socket absolute path; unique within a driver
/// @param attachment the attachment's id in the cluster, 0 where it has none
/// @param resumeKey what the next start continues the attachment with; a new one after each
/// @param sizeBytes the volume's size when last seen, for clients of an attachment that has ended
/// @param incoming true while a guest that will be migrated here is waited for: the volume is only
///   read until the guest writes
/// @param ended empty while in use; else why it can never be used again
public record AttachmentRecord(
        String volume,
        AttachMode mode,
        Transport transport,
        String socket,
        long attachment,
        UUID resumeKey,
        long sizeBytes,
        boolean incoming,
        String ended) {

    static AttachmentRecord wanted(
            String volume, AttachMode mode, Transport transport, String socket, boolean incoming) {
        return new AttachmentRecord(
                volume, mode, transport, socket, 0, UUID.randomUUID(), 0, incoming, "");
    }

    /// @throws io.cistern.block.CisternException INVALID where it is no name of a volume or
    ///   snapshot
    static void checkName(String volume) {
        int at = volume.indexOf('@');
        Names.check("volume name", at < 0 ? volume : volume.substring(0, at));
        if (at >= 0) {
            Names.check("snapshot name", volume.substring(at + 1));
        }
    }

    /// In use under `id`, to be continued under a new key.
    AttachmentRecord granted(long id, long size) {
        return new AttachmentRecord(
                volume, mode, transport, socket, id, UUID.randomUUID(), size, incoming, "");
    }

    /// As [#granted], and the guest has arrived.
    AttachmentRecord takenOver(long id, long size) {
        return new AttachmentRecord(
                volume, mode, transport, socket, id, UUID.randomUUID(), size, false, "");
    }

    AttachmentRecord withEnd(String reason) {
        return new AttachmentRecord(
                volume,
                mode,
                transport,
                socket,
                attachment,
                resumeKey,
                sizeBytes,
                incoming,
                reason);
    }

    /// The name clients see: the volume's, with its snapshot.
    String exportName() {
        return volume;
    }

    boolean readOnly() {
        return mode == AttachMode.READ_ONLY || volume.indexOf('@') >= 0;
    }
}
