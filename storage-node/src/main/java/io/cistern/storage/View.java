package io.cistern.storage;

/// A point to read at: everything on `branch` up to `epoch`, and below it what the branch's parent
/// point shows.
public record View(long branch, int epoch) {}
