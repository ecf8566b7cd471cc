package io.cistern.volume.client;

import io.cistern.block.GuardedDevice;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.group.VolumeGroup.ReadRequest;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// What reads of an open volume have to show, and who can show it. Any thread.
final class ReadView {
    private final Opened opened;
    private final GroupRoute route;

    /// The largest log index seen: what the next read has to show. -1: ask the leader first.
    private final AtomicLong seenIndex;

    ReadView(Opened opened, GroupRoute route) {
        this.opened = opened;
        this.route = route;
        this.seenIndex = new AtomicLong(opened.index());
    }

    /// An exclusive holder has to see all that it has seen itself, others all that anyone was told
    /// is done.
    ReadRequest request() {
        long index =
                opened.snapshot() != null || opened.mode() == AttachMode.EXCLUSIVE
                        ? seenIndex.get()
                        : ReadRequest.LEADER_LEASE;
        return new ReadRequest(opened.volume(), opened.snapshot(), opened.attachment(), index);
    }

    /// Only a leader knows that a record has not been replaced.
    ReadRequest request(long guard) {
        return guard == GuardedDevice.NO_GUARD || opened.snapshot() != null
                ? request()
                : new ReadRequest(
                        opened.volume(),
                        null,
                        opened.attachment(),
                        ReadRequest.LEADER_LEASE,
                        guard);
    }

    /// Who serves a read: the replica in this process where it is new enough, else the leader;
    /// where none is known, the members by turns, each once.
    @Nullable Member reader(int attempt) {
        Member leader = route.leader();
        long index = request().minIndex();
        if (index < 0) {
            return leader;
        }
        if (attempt == 0) {
            Member local = route.local();
            if (local != null && (local == leader || local.appliedIndex() >= index)) {
                return local;
            }
        }
        if (leader != null) {
            return leader;
        }
        List<Member> members = route.members();
        return attempt < members.size() ? members.get(attempt) : null;
    }

    /// Something of that index was shown: a later read must not go back.
    void saw(long index) {
        long seen = seenIndex.get();
        while (index > seen && !seenIndex.compareAndSet(seen, index)) {
            seen = seenIndex.get();
        }
    }
}
