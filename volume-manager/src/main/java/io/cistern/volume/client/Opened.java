package io.cistern.volume.client;

import io.cistern.storage.Command.AttachMode;
import org.jspecify.annotations.Nullable;

/// What was opened.
///
/// @param snapshot its name, null for the volume itself
/// @param attachment 0 for a snapshot
/// @param index log index of the attachment, -1 for a snapshot
record Opened(
        String name,
        long volume,
        @Nullable String snapshot,
        AttachMode mode,
        long attachment,
        long index) {}
