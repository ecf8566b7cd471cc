package io.cistern.server.config;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.time.Duration;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Times as people write them: `500ms`, `60 s`, `5m`, `1h`.
public final class Durations {
    private static final Pattern FORM =
            Pattern.compile("\\s*([0-9]{1,12})\\s*(ms|s|m|h)\\s*", Pattern.CASE_INSENSITIVE);

    private Durations() {}

    /// Parses a time of 1 ms and more.
    ///
    /// @throws CisternException INVALID, saying the accepted forms
    public static Duration parse(String text) {
        Matcher m = FORM.matcher(text);
        if (m.matches()) {
            long n = Long.parseLong(m.group(1));
            Duration value =
                    switch (m.group(2).toLowerCase(Locale.ROOT)) {
                        case "ms" -> Duration.ofMillis(n);
                        case "s" -> Duration.ofSeconds(n);
                        case "m" -> Duration.ofMinutes(n);
                        default -> Duration.ofHours(n);
                    };
            if (!value.isZero()) {
                return value;
            }
        }
        throw new CisternException(
                ErrorCode.INVALID,
                "'" + text + "' is not a time; write for example 500ms, 60s, 5m or 1h");
    }

    /// For people, in at most two units: `45 s`, `3 min 20 s`, `2 h 5 min`.
    public static String format(long millis) {
        if (millis < 1000) {
            return Math.max(0, millis) + " ms";
        }
        long seconds = millis / 1000;
        if (seconds < 60) {
            return seconds + " s";
        }
        if (seconds < 3600) {
            return seconds / 60 + " min " + seconds % 60 + " s";
        }
        return seconds / 3600 + " h " + seconds / 60 % 60 + " min";
    }
}
