package io.cistern.raft.net;

import java.util.concurrent.atomic.AtomicInteger;

/// Whose turn it is to write to a connection: its event loop's, or that of a thread which sends by
/// itself. Nobody waits: whoever does not get the turn leaves what it has to the loop, and the loop
/// is told when a thread has given back a turn that it wanted.
///
/// ```
///        .--------- free <--------.
///        | tryTake                | giveBack
///        v                        |
///      taken --takeForLoop fails--> wanted
/// ```
final class WriteTurn {
    private static final int FREE = 0;
    private static final int TAKEN = 1;
    private static final int WANTED = 2;

    private final AtomicInteger state = new AtomicInteger();

    /// The loop keeps its turn while bytes wait in its buffers. Event loop only.
    private boolean ofLoop;

    /// By any thread but the loop's, which must then write whole frames and [#giveBack].
    boolean tryTake() {
        return state.get() == FREE && state.compareAndSet(FREE, TAKEN);
    }

    /// By the thread that took it.
    ///
    /// @return true where the loop wants it and must be called
    boolean giveBack() {
        return state.getAndSet(FREE) == WANTED;
    }

    /// Event loop only.
    ///
    /// @return false where a thread has it, which then gets true from [#giveBack]
    boolean takeForLoop() {
        while (!ofLoop) {
            if (state.compareAndSet(FREE, TAKEN)) {
                ofLoop = true;
            } else if (state.compareAndSet(TAKEN, WANTED) || state.get() == WANTED) {
                return false;
            }
        }
        return true;
    }

    /// A thread that has it could not write all: the loop goes on with the rest. Event loop only.
    void handedToLoop() {
        ofLoop = true;
    }

    /// Event loop only, with the turn, when nothing waits in its buffers any more.
    void loopIsDone() {
        ofLoop = false;
        state.set(FREE);
    }
}
