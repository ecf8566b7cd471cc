package io.cistern.vmdisk.vhost;

import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// What the front end has said about one ring. The connection's thread changes it, the ring's
/// worker reads it; both hold the lock.
final class RingSetup {
    /// What requests in flight hold on to: a table of memory and how many of them use it. Guarded
    /// by the set-up's lock.
    static final class Hold {
        final GuestMemory memory;
        int jobs;

        Hold(GuestMemory memory) {
            this.memory = memory;
        }
    }

    /// The worker gives it up after each round; fair, so that a busy ring can be changed.
    final ReentrantLock lock = new ReentrantLock(true);

    /// Entries, 0 where not known yet.
    int size;

    /// Where to begin, or where the ring stopped.
    int base;

    Payload.@Nullable RingAddress address;

    /// Those negotiated.
    long features;

    /// The guest's signal, -1 for none.
    int kick = -1;

    /// Kick descriptors that were replaced. The worker may be waiting for one: it closes them when
    /// it does not any more.
    final ArrayDeque<Integer> retired = new ArrayDeque<>();

    /// How the guest is told of answers, -1 for not at all.
    int call = -1;

    /// How the front end is told that the ring is broken, -1 for not at all.
    int err = -1;

    /// What SET_VRING_ENABLE has said, null where it has not come.
    @Nullable Boolean enabled;

    Hold memory = new Hold(GuestMemory.NONE);
    @Nullable DirtyLog log;
    @Nullable SharedMemory inflightMemory;
    long inflightAt;
    int inflightSize;

    /// Answers all further requests with an error.
    boolean refusing;

    /// Whether requests may be taken: with protocol features negotiated a ring is disabled until it
    /// is enabled, without it is enabled from the beginning (vhost-user, "Ring states").
    boolean taking() {
        Boolean said = enabled;
        return said == null ? (features & Features.PROTOCOL_FEATURES) == 0 : said;
    }

    /// Another descriptor to wait for; -1 for none.
    void replaceKick(int fd) {
        retired.add(kick);
        kick = fd;
    }

    void closeRetired() {
        while (!retired.isEmpty()) {
            Native.close(retired.removeFirst());
        }
    }

    /// Gives away the kick descriptor and those replaced, to a worker that may wait for them.
    List<Integer> giveKicksAway() {
        replaceKick(-1);
        List<Integer> all = List.copyOf(retired);
        retired.clear();
        return all;
    }
}
