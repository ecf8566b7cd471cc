package io.cistern.server.cli;

import io.cistern.block.Size;
import io.cistern.server.config.Durations;
import io.cistern.volume.Progress;
import java.io.Console;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Shows how far something is, on stderr: one line that is rewritten on a terminal, a line every
/// few seconds elsewhere.
final class ProgressLine implements Progress, AutoCloseable {
    private static final long TERMINAL_NANOS = 200_000_000L;
    private static final long LOG_NANOS = 5_000_000_000L;

    private final String what;
    private final PrintWriter err;
    private final boolean terminal;
    private final long started = System.nanoTime();
    private long shown = started;
    private boolean dirty;
    private @Nullable String step;

    ProgressLine(String what, PrintWriter err) {
        this.what = what;
        this.err = err;
        Console console = System.console();
        this.terminal = console != null && console.isTerminal();
    }

    @Override
    public void report(long doneBytes, long totalBytes, long etaMillis) {
        report(doneBytes, totalBytes, etaMillis, null);
    }

    /// @param nowDoing what is being done, where that changes: shown without waiting
    synchronized void report(
            long doneBytes, long totalBytes, long etaMillis, @Nullable String nowDoing) {
        long now = System.nanoTime();
        boolean same = Objects.equals(step, nowDoing);
        if (same && now - shown < (terminal ? TERMINAL_NANOS : LOG_NANOS)) {
            return;
        }
        shown = now;
        step = nowDoing;
        String text =
                text(what, doneBytes, totalBytes, etaMillis, (now - started) / 1e9)
                        + (nowDoing == null ? "" : "; " + nowDoing);
        if (terminal) {
            err.print("\r" + text + "\033[K");
            dirty = true;
        } else {
            err.println(text);
        }
        err.flush();
    }

    static String text(
            String what, long doneBytes, long totalBytes, long etaMillis, double seconds) {
        String rate = Size.format((long) (doneBytes / Math.max(seconds, 0.001))) + "/s";
        String time = etaMillis < 0 ? "" : ", " + Durations.format(etaMillis) + " left";
        if (totalBytes <= 0) {
            return what + ": " + Size.format(doneBytes) + ", " + rate + time;
        }
        return String.format(
                Locale.ROOT,
                "%s: %d %%, %s of %s, %s%s",
                what,
                100 * doneBytes / totalBytes,
                Size.format(doneBytes),
                Size.format(totalBytes),
                rate,
                time);
    }

    @Override
    public synchronized void close() {
        if (dirty) {
            err.print("\r\033[K");
            err.flush();
        }
    }
}
