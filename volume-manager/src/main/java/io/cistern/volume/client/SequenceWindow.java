package io.cistern.volume.client;

/// The numbers of one attachment's writes, from 1, and which of them are answered. Not thread-safe.
final class SequenceWindow {
    private final boolean[] done;
    private long next = 1;
    private long doneBelow = 1;

    /// @param capacity most numbers between the lowest unanswered one and the next
    SequenceWindow(int capacity) {
        this.done = new boolean[capacity];
    }

    /// True where [#take] must wait for answers.
    boolean full() {
        return next - doneBelow >= done.length;
    }

    long take() {
        if (full()) {
            throw new IllegalStateException("window of " + done.length + " is full");
        }
        done[(int) (next % done.length)] = false;
        return next++;
    }

    /// @throws IllegalArgumentException for a number that was not taken, or is answered
    void answered(long seq) {
        int slot = (int) (seq % done.length);
        if (seq < doneBelow || seq >= next || done[slot]) {
            throw new IllegalArgumentException("number " + seq);
        }
        done[slot] = true;
        while (doneBelow < next && done[(int) (doneBelow % done.length)]) {
            doneBelow++;
        }
    }

    /// Every number below this one is answered.
    long doneBelow() {
        return doneBelow;
    }
}
