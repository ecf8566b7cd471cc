package io.cistern.server.config;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/// Writes `docs/configuration.md` from [ConfigKey].
public final class ConfigDoc {
    private ConfigDoc() {}

    public static String markdown() {
        StringBuilder out = new StringBuilder(INTRODUCTION);
        List<String> sections =
                Arrays.stream(ConfigKey.values()).map(ConfigKey::section).distinct().toList();
        for (String section : sections) {
            out.append("\n## ")
                    .append(
                            ConfigKey.repeated(section)
                                    ? "`[[" + section + "]]`, any number of times"
                                    : "`[" + section + "]`")
                    .append("\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
            for (ConfigKey key : ConfigKey.values()) {
                if (key.section().equals(section)) {
                    out.append(row(key));
                }
            }
        }
        return out.append(EXAMPLE).toString();
    }

    private static String row(ConfigKey key) {
        String fallback = key.defaultText();
        String shown =
                fallback == null ? "required" : fallback.isEmpty() ? "empty" : "`" + fallback + "`";
        return List.of("`" + key.key() + "`", key.type().form(), shown, key.doc()).stream()
                .collect(Collectors.joining(" | ", "| ", " |\n"));
    }

    private static final String INTRODUCTION =
            """
            # Configuration

            One TOML file per node, given to `cistern node run --config FILE`. `cistern start` and `cistern node add` write such
            files themselves, under the cluster's home. A key that is not listed here is an error that names the file, the line and
            the nearest key that exists. This page is generated from the code and checked by a test.
            """;

    private static final String EXAMPLE =
            """

            ## Example

            The second of three nodes that form a cluster:

            ```toml
            [node]
            name = "n1"
            zone = "rack-b"

            [[disk]]
            path = "/var/lib/cistern/disk0"
            size = "2TiB"

            [wire]
            listen = "10.0.0.2:7481"

            [raft]
            listen = "10.0.0.2:7482"

            [tls]
            certificate = "/etc/cistern/n1.pem"
            key = "/etc/cistern/n1.key"
            authority = "/etc/cistern/ca.pem"

            [cluster]
            id = "6f1c0a7b-e3d2-4d1f-9a0b-5c8e7d3f2a10"

            [[cluster.node]]
            name = "n0"
            zone = "rack-a"
            wire = "10.0.0.1:7481"
            raft = "10.0.0.1:7482"
            api = "http://10.0.0.1:7480"

            [[cluster.node]]
            name = "n1"
            zone = "rack-b"
            wire = "10.0.0.2:7481"
            raft = "10.0.0.2:7482"
            api = "http://10.0.0.2:7480"

            [[cluster.node]]
            name = "n2"
            zone = "rack-c"
            wire = "10.0.0.3:7481"
            raft = "10.0.0.3:7482"
            api = "http://10.0.0.3:7480"
            ```

            A node that joins a running cluster has `[cluster] join-token-file` instead, with a token that
            `cistern node token` printed.
            """;
}
