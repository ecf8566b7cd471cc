package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.storage.Command;
import io.cistern.storage.CommandCodec;
import io.cistern.storage.StoreCut;
import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Compares all replicas of a group as of one entry of the log, driven by the leader's node.
///
/// An entry a little ahead is chosen, every replica is told to hold its store still when it has
/// applied that one, and entries without effect are proposed until it is reached. Then the items of
/// the stores ([StoreCut]) are gone through stretch by stretch: of each stretch the digests are
/// compared, and where they differ the items. Since all stores are of the same entry, a difference
/// is a difference.
///
/// Memory is bounded by the items of one stretch. Between stretches it rests as long as it has
/// worked, and [#BUSY_FACTOR] times as long while users read or write.
final class Comparison implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Comparison.class);

    /// So long it is tried to hold the stores still.
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);

    private static final int ASKED = 3;

    /// After so many failures to hold its store still a member counts as missing.
    private static final int MAX_FAILURES = 10;

    private static final long FIRST_MARGIN = 4;
    private static final long MOST_MARGIN = 64 << 10;
    private static final long PUSH_NANOS = TimeUnit.SECONDS.toNanos(4);
    private static final int BUSY_FACTOR = 4;

    /// Most stretches with differences that are looked at more closely.
    static final int MAX_STRETCHES = 64;

    /// A command without effect: volume 0 does not exist.
    private static final Command NOTHING = new Command.Detach(0, 0);

    private final ReplicaParts parts;
    private final Cuts own;
    private final BiConsumer<Long, Long> progress;
    private final java.util.function.LongSupplier userRequests;
    private final Map<Peer, Long> sessions = new LinkedHashMap<>();
    private final Map<String, String> missing = new LinkedHashMap<>();
    private final Map<Peer, Integer> failures = new HashMap<>();
    private long index;
    private long estimatedBytes;
    private long comparedBytes;
    private final Agreement agreement = new Agreement();

    /// Items behind `after` up to `last` that are not the same everywhere.
    record Stretch(byte @Nullable [] after, byte[] last, Map<Peer, Long> digests) {}

    /// @param progress told how many bytes have been compared, of about how many
    Comparison(
            ReplicaParts parts,
            Cuts own,
            java.util.function.LongSupplier userRequests,
            BiConsumer<Long, Long> progress) {
        this.parts = parts;
        this.own = own;
        this.userRequests = userRequests;
        this.progress = progress;
    }

    /// The entry behind which the stores are held.
    long index() {
        return index;
    }

    long comparedBytes() {
        return comparedBytes;
    }

    /// Members that could not be asked, and why.
    Map<String, String> missing() {
        return missing;
    }

    /// Those that are compared.
    List<Peer> members() {
        return List.copyOf(sessions.keySet());
    }

    // ---- holding the stores still

    /// Holds the stores of all members that can be asked still behind one entry. Blocks.
    ///
    /// @throws CisternException NOT_LEADER; UNAVAILABLE where it could not be brought about
    void begin() {
        long margin = FIRST_MARGIN;
        CisternException last = null;
        long deadline = parts.node().threads().nanoTime() + PATIENCE_NANOS;
        for (int attempt = 0;
                attempt == 0 || parts.node().threads().nanoTime() - deadline < 0;
                attempt++) {
            parts.leadingTerm();
            try {
                open(attempt);
                arm(margin);
                return;
            } catch (CisternException e) {
                close();
                if (e.code() != ErrorCode.STALE && e.code() != ErrorCode.UNAVAILABLE) {
                    throw e;
                }
                last = e;
                margin = Math.min(MOST_MARGIN, margin * 4);
                pause(TimeUnit.MILLISECONDS.toNanos(20L << Math.min(attempt, 5)));
            }
        }
        String message =
                "the replicas of group "
                        + group()
                        + " could not be held still to be compared: "
                        + (last == null ? "" : last.getMessage())
                        + "; verify again";
        throw last == null
                ? new CisternException(ErrorCode.UNAVAILABLE, message)
                : new CisternException(ErrorCode.UNAVAILABLE, message, last);
    }

    private void open(int attempt) {
        WireCut.OpenRequest request = new WireCut.OpenRequest(group(), StoreCut.FORM);
        missing.clear();
        index = 0;
        for (Peer member : parts.raft().dataMembers()) {
            if (failures.getOrDefault(member, 0) >= MAX_FAILURES) {
                missing.put(member.id(), "it cannot be held still; it may be catching up");
                continue;
            }
            try {
                WireCut.Opened opened =
                        self(member)
                                ? own.open()
                                : ask(
                                        member,
                                        Wire.CUT_OPEN,
                                        request::encode,
                                        WireCut.Opened::decode);
                sessions.put(member, opened.session());
                index = Math.max(index, opened.applied());
            } catch (CisternException e) {
                if (self(member) || (attempt < ASKED && e.code().retryable())) {
                    throw e.code().retryable() ? stale(e) : e;
                }
                missing.put(member.id(), String.valueOf(e.getMessage()));
            }
        }
    }

    private static CisternException stale(CisternException e) {
        return new CisternException(ErrorCode.STALE, String.valueOf(e.getMessage()), e);
    }

    private void arm(long margin) {
        index = Math.max(index, parts.raft().appliedIndex()) + margin;
        each(member -> step(member, index));
        long deadline = parts.node().threads().nanoTime() + PUSH_NANOS;
        while (parts.machine().appliedIndex() < index) {
            if (parts.node().threads().nanoTime() - deadline >= 0) {
                throw new CisternException(
                        ErrorCode.STALE, "entry " + index + " was not reached in time");
            }
            ByteBuffer entry = ByteBuffer.allocate(CommandCodec.size(NOTHING));
            CommandCodec.encode(NOTHING, entry);
            parts.node().threads().await(parts.raft().propose(entry.flip()));
        }
        long estimated = 0;
        for (Peer member : List.copyOf(sessions.keySet())) {
            WireCut.Ready ready = ready(member);
            if (ready == null || ready.position().index() != index) {
                throw new CisternException(
                        ErrorCode.STALE, member.id() + " is held behind another entry: " + ready);
            }
            estimated = Math.max(estimated, ready.estimatedBytes());
        }
        estimatedBytes = estimated;
    }

    private WireCut.@Nullable Ready ready(Peer member) {
        try {
            return step(member, WireCut.StepRequest.READY);
        } catch (CisternException e) {
            if (!self(member)) {
                failures.merge(member, 1, Integer::sum);
            }
            throw stale(e);
        }
    }

    private void each(Consumer<Peer> task) {
        List.copyOf(sessions.keySet()).forEach(task);
    }

    /// What the member answers; null where it has nothing to say.
    private WireCut.@Nullable Ready step(Peer member, long step) {
        long session = sessions.getOrDefault(member, 0L);
        if (self(member)) {
            if (step == WireCut.StepRequest.READY) {
                return parts.node().threads().await(own.ready(session));
            }
            own.at(session, step);
            return null;
        }
        WireCut.StepRequest request = new WireCut.StepRequest(group(), session, step);
        return ask(
                member,
                Wire.CUT_STEP,
                request::encode,
                in -> in.isReadable() ? WireCut.Ready.decode(in) : null);
    }

    // ---- comparing

    /// Goes through everything.
    ///
    /// @return where the replicas differ, at most [#MAX_STRETCHES]
    /// @throws CisternException UNAVAILABLE
    List<Stretch> all() {
        List<Stretch> found = new ArrayList<>();
        byte[] after = null;
        long requests = userRequests.getAsLong();
        while (true) {
            long began = parts.node().threads().nanoTime();
            Stretch stretch = stretch(after, null);
            if (differs(stretch)) {
                agreement.add(stretch);
                if (found.size() < MAX_STRETCHES) {
                    found.add(stretch);
                }
            }
            progress.accept(comparedBytes, Math.max(comparedBytes, estimatedBytes));
            if (Arrays.equals(stretch.last, StoreCut.end())) {
                return found;
            }
            after = stretch.last;
            long worked = parts.node().threads().nanoTime() - began;
            long now = userRequests.getAsLong();
            pause(now == requests ? worked : worked * BUSY_FACTOR);
            requests = now;
        }
    }

    /// Those that [#all] has compared from the first item to the last and that were with the most
    /// in every stretch, also in those that it did not keep. None where a stretch had no majority.
    Set<Peer> sound() {
        return agreement.of(sessions.keySet());
    }

    /// Looks at some stretches again.
    List<Stretch> again(List<Stretch> stretches) {
        List<Stretch> found = new ArrayList<>();
        for (Stretch before : stretches) {
            Stretch now = stretch(before.after, before.last);
            if (differs(now)) {
                found.add(now);
            }
        }
        return found;
    }

    private static boolean differs(Stretch stretch) {
        return stretch.digests.values().stream().distinct().count() > 1;
    }

    private Stretch stretch(byte @Nullable [] after, byte @Nullable [] last) {
        Peer self = parts.raft().self();
        long session = sessions.getOrDefault(self, 0L);
        StoreCut.CutPage mine =
                own.page(new WireCut.PageRequest(group(), session, after, last, false)).page();
        Map<Peer, Long> digests = new LinkedHashMap<>();
        digests.put(self, mine.digest());
        Map<Peer, CompletableFuture<WireCut.Page>> asked = new LinkedHashMap<>();
        for (Peer member : members()) {
            if (!self(member)) {
                asked.put(member, page(member, after, mine.last(), false));
            }
        }
        asked.forEach((member, answer) -> {
            WireCut.Page page = patiently(member, answer, after, mine.last());
            if (page != null) {
                digests.put(member, page.page().digest());
            }
        });
        comparedBytes += mine.bytes();
        return new Stretch(after, mine.last(), digests);
    }

    private CompletableFuture<WireCut.Page> page(
            Peer member, byte @Nullable [] after, byte[] last, boolean list) {
        WireCut.PageRequest request =
                new WireCut.PageRequest(
                        group(), sessions.getOrDefault(member, 0L), after, last, list);
        if (self(member)) {
            return CompletableFuture.completedFuture(own.page(request));
        }
        return parts.node()
                .peers()
                .call(member.node(), Wire.CUT_PAGE, request::encode, WireCut.Page::decode);
    }

    /// Asks again where there is no answer; null once the member counts as missing.
    private WireCut.@Nullable Page patiently(
            Peer member,
            CompletableFuture<WireCut.Page> first,
            byte @Nullable [] after,
            byte[] last) {
        CompletableFuture<WireCut.Page> answer = first;
        for (int attempt = 1; ; attempt++) {
            try {
                return parts.node().threads().await(answer);
            } catch (CisternException e) {
                if (attempt >= ASKED || e.code() == ErrorCode.NOT_FOUND) {
                    log.warn("comparing group {} with {}: {}", group(), member.id(), e.toString());
                    missing.put(member.id(), String.valueOf(e.getMessage()));
                    sessions.remove(member);
                    return null;
                }
                pause(TimeUnit.MILLISECONDS.toNanos(100L << attempt));
                answer = page(member, after, last, false);
            }
        }
    }

    // ---- items

    /// An item that is not the same everywhere.
    ///
    /// @param digests by member; those that lack it are not in it
    record Item(byte[] key, Map<Peer, Long> digests) {}

    /// The items that make the stretch differ, at most `most`.
    List<Item> items(Stretch stretch, int most) {
        TreeMap<byte[], Map<Peer, Long>> all = new TreeMap<>(Arrays::compareUnsigned);
        // A list that is too long for an answer says nothing of what is behind its end.
        byte[] listed = stretch.last;
        for (Peer member : stretch.digests.keySet()) {
            WireCut.Page page =
                    parts.node().threads().await(page(member, stretch.after, stretch.last, true));
            if (page.items().size() >= WireCut.MAX_LISTED) {
                byte[] end = page.items().getLast().key();
                listed = Arrays.compareUnsigned(end, listed) < 0 ? end : listed;
            }
            for (StoreCut.CutItem item : page.items()) {
                all.computeIfAbsent(item.key(), key -> new LinkedHashMap<>())
                        .put(member, item.digest());
            }
        }
        byte[] known = listed;
        List<Item> found = new ArrayList<>();
        int members = stretch.digests.size();
        all.forEach((key, digests) -> {
            if (Arrays.compareUnsigned(key, known) > 0) {
                return;
            }
            boolean same =
                    digests.size() == members && digests.values().stream().distinct().count() == 1;
            if (!same && found.size() < most) {
                found.add(new Item(key, digests));
            }
        });
        return found;
    }

    StoreCut.Subject subject(byte[] key) {
        return own.held(sessions.getOrDefault(parts.raft().self(), 0L)).subject(key);
    }

    /// The members, from the first to the last by name.
    static List<String> names(Iterable<Peer> members) {
        List<String> names = new ArrayList<>();
        members.forEach(member -> names.add(member.id()));
        names.sort(Comparator.naturalOrder());
        return names;
    }

    // ---- the rest

    private GroupId group() {
        return parts.raft().id();
    }

    private boolean self(Peer member) {
        return member.id().equals(parts.raft().self().id());
    }

    private <T> T ask(
            Peer member, int opcode, Consumer<ByteBuf> request, Function<ByteBuf, T> form) {
        return parts.node().ask(member.node(), opcode, request, form);
    }

    private void pause(long nanos) {
        if (!parts.node().threads().sleep(nanos)) {
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted: the node stops");
        }
    }

    /// Lets the stores go.
    @Override
    public void close() {
        for (Map.Entry<Peer, Long> e : sessions.entrySet()) {
            if (self(e.getKey())) {
                own.close(e.getValue());
            } else {
                WireCut.StepRequest request =
                        new WireCut.StepRequest(group(), e.getValue(), WireCut.StepRequest.CLOSE);
                parts.node()
                        .peers()
                        .call(e.getKey().node(), Wire.CUT_STEP, request::encode, in -> true);
            }
        }
        sessions.clear();
    }
}
