package io.cistern.volume;

import io.cistern.block.CisternException;
import io.cistern.block.GuardedDevice;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Limits;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// An open volume or snapshot. A snapshot has no shared record: its guards are ignored and its
/// record is empty.
///
/// Requests wait while the volume's group has no leader or a connection is being replaced, and are
/// repeated with the same sequence number, so that each takes effect exactly once: users see a
/// pause. Only after [ClientConfig#requestTimeout] does one fail, with UNAVAILABLE. A device never
/// attaches again by itself: FENCED is final.
public interface VolumeDevice extends GuardedDevice {
    /// Name at the time of opening, with `@snapshot` where one was opened.
    String name();

    long volumeId();

    /// 0 for a snapshot.
    long attachment();

    AttachMode mode();

    /// Limits in force now.
    Limits limits();

    /// Completes with FENCED once another holder has taken the volume over or the attachment was
    /// ended, with NOT_FOUND once the volume is deleted. Never completes while the device is
    /// usable; [#close] cancels it. Noticed with the next request and by a poll every second.
    CompletableFuture<CisternException> ended();

    /// Asks for what is new about the volume (size, limits, attachments) now rather than at the
    /// next poll; completes when it is in force.
    CompletableFuture<Void> refresh();

    /// The node that leads the volume's group as far as this client knows, null where it does not.
    /// Cheap.
    @Nullable String leader();

    /// Calls `listener` after each change of [#leader] to another node, until the handle is closed.
    /// Noticed with requests and by the poll every second. Do not block in it.
    AutoCloseable onLeader(Runnable listener);

    /// Counters since opening.
    Stats stats();

    /// @param retries attempts beyond each request's first
    /// @param inFlight requests not yet answered
    /// @param longestStallNanos the longest any request has taken
    record Stats(
            long reads,
            long writes,
            long readBytes,
            long writtenBytes,
            long retries,
            int inFlight,
            long longestStallNanos) {}

    /// Detaches (best effort, at most a second) and ends use.
    @Override
    void close();
}
