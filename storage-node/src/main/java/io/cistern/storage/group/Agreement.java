package io.cistern.storage.group;

import io.cistern.raft.Peer;
import io.cistern.storage.group.Comparison.Stretch;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// Which members were with the most in every stretch that differs, also in those that are too many
/// to be kept. Only such a one may be copied from: where two replicas are damaged in different
/// places, one of them may agree with the most in all that was kept, and is wrong elsewhere.
final class Agreement {
    private final Set<Peer> odd = new LinkedHashSet<>();
    private boolean split;

    void add(Stretch stretch) {
        Set<Peer> most = most(stretch);
        split |= 2 * most.size() <= stretch.digests().size();
        stretch.digests().keySet().stream().filter(m -> !most.contains(m)).forEach(odd::add);
    }

    /// @param compared those that were asked from the first item to the last
    /// @return none where a stretch had no majority
    Set<Peer> of(Collection<Peer> compared) {
        Set<Peer> sound = new LinkedHashSet<>(compared);
        sound.removeAll(odd);
        return split ? Set.of() : sound;
    }

    /// Those that were not with the most somewhere.
    Set<Peer> odd() {
        return Collections.unmodifiableSet(odd);
    }

    /// The largest number of members that agree.
    static Set<Peer> most(Stretch stretch) {
        Map<Long, Set<Peer>> sides = new TreeMap<>();
        stretch.digests()
                .forEach((member, digest) ->
                        sides.computeIfAbsent(digest, d -> new LinkedHashSet<>()).add(member));
        return sides.values().stream()
                .max((a, b) -> Integer.compare(a.size(), b.size()))
                .orElse(Set.of());
    }
}
