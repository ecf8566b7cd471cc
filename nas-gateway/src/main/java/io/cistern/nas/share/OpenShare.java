package io.cistern.nas.share;

import io.cistern.block.fs.FileSystem;

/// A share that this node owns.
///
/// @param owned changes with every change of owner: the write verifier, and part of what state
///   belongs to
public record OpenShare(ShareEntry entry, FileSystem files, long owned) {}
