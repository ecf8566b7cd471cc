package io.cistern.nas.share;

import java.net.InetAddress;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A share that clients may mount.
///
/// @param id the same on every node and for ever; not 0
/// @param name what its path is called: `/NAME`
/// @param rules the first that matches a client's address counts; no match: no access
public record ShareEntry(long id, String name, List<ClientRule> rules) {
    public ShareEntry {
        rules = List.copyOf(rules);
    }

    /// The rule for that client; null: none matches.
    public @Nullable ClientRule ruleFor(InetAddress client) {
        for (ClientRule rule : rules) {
            if (rule.clients().contains(client)) {
                return rule;
            }
        }
        return null;
    }
}
