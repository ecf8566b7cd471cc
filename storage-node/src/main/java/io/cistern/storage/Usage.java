package io.cistern.storage;

/// Space on one disk as one group uses it.
///
/// @param diskBytes what the disk can hold in slots
/// @param freeBytes what is left for new slots on that disk, all groups together
/// @param usedBytes slots this group's replica holds, those waiting to be freed included
/// @param appliedIndex the log index these figures belong to
public record Usage(long diskBytes, long freeBytes, long usedBytes, long appliedIndex) {}
