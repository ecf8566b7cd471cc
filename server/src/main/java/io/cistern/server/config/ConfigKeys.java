package io.cistern.server.config;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.tomlj.TomlArray;
import org.tomlj.TomlPosition;
import org.tomlj.TomlTable;

/// Checks that a parsed file has no table and no key but those of [ConfigKey].
final class ConfigKeys {
    private final Path file;
    private final Set<String> sections = new LinkedHashSet<>();
    private final List<String> paths =
            Arrays.stream(ConfigKey.values()).map(ConfigKey::path).toList();

    ConfigKeys(Path file) {
        this.file = file;
        for (ConfigKey key : ConfigKey.values()) {
            sections.add(key.section());
        }
    }

    /// @throws CisternException INVALID, naming line and nearest known key
    void check(TomlTable root) {
        check("", root);
    }

    private void check(String prefix, TomlTable table) {
        for (String key : table.keySet()) {
            String path = prefix.isEmpty() ? key : prefix + "." + key;
            Object value = table.get(List.of(key));
            TomlPosition position = table.inputPositionOf(List.of(key));
            if (paths.contains(path)) {
                continue;
            }
            if (!sections.contains(path)) {
                throw unknown(path, position);
            }
            if (ConfigKey.repeated(path) && value instanceof TomlArray array) {
                for (int i = 0; i < array.size(); i++) {
                    if (!(array.get(i) instanceof TomlTable element)) {
                        throw shape(path, position);
                    }
                    check(path, element);
                }
            } else if (!ConfigKey.repeated(path) && value instanceof TomlTable inner) {
                check(path, inner);
            } else {
                throw shape(path, position);
            }
        }
    }

    private CisternException unknown(String path, @Nullable TomlPosition position) {
        Set<String> known = new LinkedHashSet<>(paths);
        known.addAll(sections);
        String hint =
                Nearest.to(path, known)
                        .map(k -> "did you mean '" + k + "'?")
                        .orElse("docs/configuration.md lists all keys");
        return error(position, "unknown key '" + path + "'; " + hint);
    }

    private CisternException shape(String path, @Nullable TomlPosition position) {
        String form = ConfigKey.repeated(path) ? "[[" + path + "]]" : "[" + path + "]";
        return error(position, "'" + path + "' is a table: write " + form);
    }

    private CisternException error(@Nullable TomlPosition position, String message) {
        String where = position == null ? file.toString() : file + ":" + position.line();
        return new CisternException(ErrorCode.INVALID, where + ": " + message);
    }
}
