package io.cistern.storage;

import io.cistern.block.CisternException;
import io.cistern.block.Crc32c;
import io.cistern.block.DurableFiles;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;

/// Whom a group may be copied from, while it is: not from a replica that may differ from the others
/// itself. Files beside the marks, `<group>.from`:
///
/// ```
/// file := crc32c newline name (newline name)*      UTF-8; the CRC32C, in hexadecimal, of what follows
/// ```
final class AllowedSources {
    private final Path directory;

    AllowedSources(Path directory) {
        this.directory = directory;
    }

    /// Durable on return.
    void allow(long group, List<String> nodes) {
        String names = String.join("\n", nodes);
        String all = sum(names) + "\n" + names;
        try {
            DurableFiles.replace(file(group), all.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot write " + file(group) + ": " + e, e);
        }
    }

    /// Empty where any will do.
    List<String> allowed(long group) {
        Path file = file(group);
        try {
            if (!Files.exists(file)) {
                return List.of();
            }
            String[] parts = Files.readString(file).split("\n", 2);
            if (parts.length < 2 || parts[1].isEmpty() || !parts[0].equals(sum(parts[1]))) {
                throw damaged(group);
            }
            return List.of(parts[1].split("\n", -1));
        } catch (CharacterCodingException e) {
            throw damaged(group);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + file + ": " + e, e);
        }
    }

    /// Durable on return.
    void forget(long group) throws IOException {
        if (Files.deleteIfExists(file(group))) {
            DurableFiles.sync(directory);
        }
    }

    private Path file(long group) {
        return directory.resolve(group + ".from");
    }

    private static String sum(String names) {
        byte[] bytes = names.getBytes(StandardCharsets.UTF_8);
        return HexFormat.of().toHexDigits(Crc32c.of(bytes, 0, bytes.length));
    }

    private static CisternException damaged(long group) {
        return StoreParts.corrupt(group, "has a damaged list of nodes to be copied from");
    }
}
