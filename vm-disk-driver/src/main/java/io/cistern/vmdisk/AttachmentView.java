package io.cistern.vmdisk;

import io.cistern.storage.Command.AttachMode;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// What an attachment looks like from outside.
///
/// @param incoming true while its guest has not written here yet
/// @param state `opening`, `open`, `ended` (problem says why) or `closed`
/// @param problem why it is not open; empty where it is
/// @param sizeBytes 0 while it is not open
/// @param clients who is connected
/// @param metrics null while it is not open
public record AttachmentView(
        String volume,
        AttachMode mode,
        Transport transport,
        boolean incoming,
        String socket,
        String state,
        String problem,
        long sizeBytes,
        List<Peer> clients,
        NbdMetrics.@Nullable Snapshot metrics) {

    static AttachmentView of(Attachment attachment) {
        AttachmentRecord record = attachment.record();
        return new AttachmentView(
                record.volume(),
                record.mode(),
                record.transport(),
                record.incoming(),
                record.socket(),
                attachment.state().name().toLowerCase(Locale.ROOT),
                attachment.problem(),
                attachment.sizeBytes(),
                attachment.peers(),
                attachment.metrics());
    }
}
