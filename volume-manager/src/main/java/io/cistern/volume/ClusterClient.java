package io.cistern.volume;

import io.cistern.block.fs.FileSystem;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.VolumeInfo.AttachmentInfo;
import java.util.List;

/// Opens volumes as block devices. A node's own client comes from [ClusterNode#client] and uses
/// replicas in the same process directly; programs outside of a node connect with a [ClientConfig].
///
/// Any thread may call any method. One client serves any number of devices.
public interface ClusterClient extends AutoCloseable {
    /// Attaches and opens. Blocks until a leader has granted the attachment, at most
    /// [ClientConfig#openTimeout].
    ///
    /// EXCLUSIVE ends every other writing attachment of the volume: their holders get FENCED from
    /// then on, for good. SHARED lets several write. READ_ONLY, and any snapshot, never writes.
    ///
    /// @param volume `VOLUME` or `VOLUME@SNAPSHOT`
    /// @param holder who uses it, for people: host, process, socket
    /// @throws io.cistern.block.CisternException NOT_FOUND, INVALID (a snapshot opened for
    ///   writing), LIMIT (too many attachments), UNAVAILABLE (no leader in time)
    VolumeDevice open(String volume, AttachMode mode, String holder);

    /// Continues an attachment after its holder was restarted, in the mode it had. It gets a new
    /// id, so that nothing which the earlier life sent can take effect any more.
    ///
    /// @throws io.cistern.block.CisternException FENCED where the attachment is no longer in force:
    ///   somebody else has the volume; NOT_FOUND, UNAVAILABLE as [#open]
    VolumeDevice resume(String volume, Resumption previous, String holder);

    /// What a holder must have kept to continue an attachment.
    ///
    /// @param attachment its id
    /// @param key random, new for each restart and kept before the cluster is asked: a holder that
    ///   was stopped again before it could note the new id finds its attachment by the key
    record Resumption(long attachment, java.util.UUID key) {}

    /// Opens a share, as its only owner: whoever had it open is FENCED from then on. Blocks
    /// likewise.
    ///
    /// @param holder who uses it, for people
    /// @throws io.cistern.block.CisternException NOT_FOUND, UNAVAILABLE
    FileSystem openShare(String share, String holder);

    /// The attachments of a volume. Blocks likewise.
    List<AttachmentInfo> attachments(String volume);

    /// Closes every device and connection.
    @Override
    void close();
}
