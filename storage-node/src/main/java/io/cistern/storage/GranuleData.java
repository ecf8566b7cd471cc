package io.cistern.storage;

import java.nio.ByteBuffer;

/// Some blocks of a granule, for a peer. Every block's checksum was verified.
///
/// @param present one bit per block that holds data; a block whose bit is clear reads as zeroes
/// @param crcs CRC32C of each present block, in order
/// @param data the present blocks one behind the other
/// @param lastIndex the newest log index that changed any of the rows the blocks came from
/// @param appliedIndex the log index the answering replica had applied
public record GranuleData(
        int present, int[] crcs, ByteBuffer data, long lastIndex, long appliedIndex) {}
