package io.cistern.block.fs;

/// What [FileSystem#create] does where the name exists.
public sealed interface CreateMode {
    /// A regular file that exists is the result, unchanged but for a size that is asked for: this
    /// is how O_TRUNC reaches it, which needs the right to write. Anything else that exists is
    /// EXISTS.
    record Unchecked() implements CreateMode {}

    /// EXISTS.
    record Guarded() implements CreateMode {}

    /// EXISTS, unless the file was created with the same verifier and has not been changed by
    /// [FileSystem#setAttributes] since: then it is the result. So a repeated request finds its own
    /// file.
    record Exclusive(long verifier) implements CreateMode {}

    CreateMode UNCHECKED = new Unchecked();
    CreateMode GUARDED = new Guarded();
}
