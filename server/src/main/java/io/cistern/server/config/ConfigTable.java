package io.cistern.server.config;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;
import io.cistern.block.Size;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.tomlj.TomlPosition;
import org.tomlj.TomlTable;

/// One table of a configuration file: gives the values of its keys, or their defaults, and names
/// file and line where one is wrong.
///
/// @param table null where the file has no such table
record ConfigTable(Path file, @Nullable TomlTable table) {

    String text(ConfigKey key) {
        Object value = table == null ? null : table.get(key.key());
        if (value == null) {
            String fallback = key.defaultText();
            if (fallback == null) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        where(null) + ": " + key.path() + " is missing: " + key.doc());
            }
            return fallback;
        }
        if (value instanceof String || value instanceof Long) {
            return value.toString();
        }
        throw wrong(key, "must be " + key.type().form());
    }

    String name(ConfigKey key) {
        String text = text(key);
        return checked(key, () -> Names.check(key.path(), text));
    }

    /// Null where the key is empty.
    @Nullable Path path(ConfigKey key) {
        String text = text(key);
        return text.isEmpty() ? null : resolve(text);
    }

    Path requiredPath(ConfigKey key) {
        String text = text(key);
        if (text.isEmpty()) {
            throw wrong(key, "must not be empty");
        }
        return resolve(text);
    }

    private Path resolve(String text) {
        Path parent = file.toAbsolutePath().getParent();
        return parent == null ? Path.of(text) : parent.resolve(text).normalize();
    }

    long size(ConfigKey key) {
        String text = text(key);
        return checked(key, () -> Size.parse(text));
    }

    Duration duration(ConfigKey key) {
        String text = text(key);
        return checked(key, () -> Durations.parse(text));
    }

    int count(ConfigKey key) {
        String text = text(key);
        try {
            int n = Integer.parseInt(text);
            if (n >= 1) {
                return n;
            }
        } catch (NumberFormatException e) {
            throw wrong(key, "'" + text + "' is not a whole number", e);
        }
        throw wrong(key, "must be at least 1");
    }

    InetSocketAddress address(ConfigKey key) {
        String text = text(key);
        return checked(key, () -> Addresses.parse(text));
    }

    /// Several, separated by commas.
    List<InetSocketAddress> addresses(ConfigKey key) {
        List<String> texts = words(key);
        return checked(key, () -> texts.stream().map(Addresses::parse).toList());
    }

    List<String> words(ConfigKey key) {
        String text = text(key);
        return text.isBlank() ? List.of() : List.of(text.strip().split("\\s*,\\s*"));
    }

    CisternException wrong(ConfigKey key, String why) {
        return wrong(key, why, null);
    }

    private CisternException wrong(ConfigKey key, String why, @Nullable Throwable cause) {
        String message = where(key) + ": " + key.path() + " " + why;
        return cause == null
                ? new CisternException(ErrorCode.INVALID, message)
                : new CisternException(ErrorCode.INVALID, message, cause);
    }

    private <T> T checked(ConfigKey key, java.util.function.Supplier<T> parse) {
        try {
            return parse.get();
        } catch (CisternException e) {
            throw new CisternException(
                    e.code(), where(key) + ": " + key.path() + ": " + e.getMessage(), e);
        }
    }

    private String where(@Nullable ConfigKey key) {
        if (table == null || key == null) {
            return file.toString();
        }
        TomlPosition position = table.inputPositionOf(key.key());
        return position == null ? file.toString() : file + ":" + position.line();
    }
}
