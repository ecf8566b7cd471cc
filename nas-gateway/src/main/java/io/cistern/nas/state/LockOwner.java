package io.cistern.nas.state;

import io.cistern.block.fs.ByteString;

/// Who holds byte-range locks.
public record LockOwner(long client, ByteString name) {}
