package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.storage.Command.AttachMode;
import io.cistern.volume.ClusterClient.Resumption;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// Where the driver gets devices from. Methods may block and may be called by several threads.
public interface VolumeOpener extends AutoCloseable {

    /// An open volume.
    ///
    /// @param attachment what identifies the right to use it, for a later [Request#resume]; 0 where
    ///   there is no such right, as for a snapshot
    /// @param ended completes once the device can never be used again, with the reason: FENCED
    ///   where another holder took the volume over, NOT_FOUND where it was deleted
    record Opened(BlockDevice device, long attachment, CompletableFuture<CisternException> ended) {}

    /// @param volume `VOLUME` or `VOLUME@SNAPSHOT`
    /// @param holder who uses it, for people
    /// @param resume null to attach anew; else the attachment that this driver held before it was
    ///   restarted: if that has ended meanwhile, the volume belongs to somebody else and may not be
    ///   taken back
    record Request(String volume, AttachMode mode, String holder, @Nullable Resumption resume) {}

    /// Attaches and opens.
    ///
    /// @throws CisternException NOT_FOUND, INVALID, FENCED (the attachment to resume has ended),
    ///   UNAVAILABLE (the cluster cannot be reached; may be tried again)
    Opened open(Request request);

    /// Closes what all devices share. Does not end attachments.
    @Override
    default void close() {}
}
