package io.cistern.storage;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/// Committed files in the formats of this module. `-Dcistern.golden=DIRECTORY` writes those that
/// are missing instead of failing.
final class Golden {
    private Golden() {}

    /// The committed bytes of a file.
    ///
    /// @param now what this program writes
    static byte[] file(String name, byte[] now) throws IOException {
        try (InputStream in = Golden.class.getResourceAsStream(name)) {
            if (in != null) {
                return in.readAllBytes();
            }
        }
        String directory = System.getProperty("cistern.golden");
        if (directory == null) {
            throw new AssertionError("golden file " + name + " is missing");
        }
        Path path = Path.of(directory, name);
        Files.createDirectories(path.toAbsolutePath().getParent());
        Files.write(path, now);
        return now;
    }
}
