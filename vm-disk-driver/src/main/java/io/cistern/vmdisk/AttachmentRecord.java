package io.cistern.vmdisk;

import io.cistern.block.Names;
import io.cistern.storage.Command.AttachMode;

/// What the driver remembers of an attachment over restarts.
///
/// @param volume `VOLUME` or `VOLUME@SNAPSHOT`
/// @param socket absolute path; unique within a driver
/// @param attachment the attachment's id in the cluster, 0 where it has none
/// @param ended empty while in use; else why it can never be used again
public record AttachmentRecord(
        String volume, AttachMode mode, String socket, long attachment, String ended) {

    /// @throws io.cistern.block.CisternException INVALID where it is no name of a volume or
    ///   snapshot
    static void checkName(String volume) {
        int at = volume.indexOf('@');
        Names.check("volume name", at < 0 ? volume : volume.substring(0, at));
        if (at >= 0) {
            Names.check("snapshot name", volume.substring(at + 1));
        }
    }

    AttachmentRecord withAttachment(long id) {
        return new AttachmentRecord(volume, mode, socket, id, "");
    }

    AttachmentRecord withEnd(String reason) {
        return new AttachmentRecord(volume, mode, socket, attachment, reason);
    }

    /// The name clients see: the volume's, with its snapshot.
    String exportName() {
        return volume;
    }

    boolean readOnly() {
        return mode == AttachMode.READ_ONLY || volume.indexOf('@') >= 0;
    }
}
