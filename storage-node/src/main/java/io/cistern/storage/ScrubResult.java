package io.cistern.storage;

import io.cistern.storage.CorruptBlocksException.Corrupt;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What one step of a scrub found.
///
/// @param next where to go on; null: the store has been read through
/// @param bytes data read and verified in this step
public record ScrubResult(@Nullable RowKey next, long bytes, List<Corrupt> corrupt) {}
