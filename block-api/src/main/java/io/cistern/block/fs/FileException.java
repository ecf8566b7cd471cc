package io.cistern.block.fs;

import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;

/// A request that the file system refused. Nothing was changed by it.
public final class FileException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final FileError error;

    public FileException(FileError error, String message) {
        super(message, null, false, false);
        this.error = error;
    }

    public FileError error() {
        return error;
    }

    /// The FileException in a chain of causes; null if something else failed.
    public static @org.jspecify.annotations.Nullable FileException of(Throwable failure) {
        Throwable t = failure;
        while ((t instanceof CompletionException || t instanceof ExecutionException)
                && t.getCause() != null) {
            t = t.getCause();
        }
        return t instanceof FileException known ? known : null;
    }
}
