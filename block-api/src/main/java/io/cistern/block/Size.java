package io.cistern.block;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Sizes as people write them: `64 GiB`, `10GiB`, `1.5T`, `4096`.
///
/// A bare number is bytes. `K M G T P` and `KiB` … are powers of 1024, as storage tools take them;
/// `KB` … are powers of 1000. Case does not matter.
public final class Size {
    private static final Pattern FORM =
            Pattern.compile(
                    "\\s*([0-9]+(?:\\.[0-9]+)?)\\s*([KMGTPE]?)(I?B?)\\s*",
                    Pattern.CASE_INSENSITIVE);
    private static final String UNITS = "KMGTPE";

    private Size() {}

    /// Parses a size in bytes, 0 to 8 EiB - 1.
    ///
    /// @throws CisternException INVALID, naming the text and the accepted forms
    public static long parse(String text) {
        Matcher m = FORM.matcher(text);
        if (!m.matches()) {
            throw invalid(text, "is not a size");
        }
        String unit = m.group(2).toUpperCase(Locale.ROOT);
        String suffix = m.group(3).toUpperCase(Locale.ROOT);
        if (unit.isEmpty() && suffix.startsWith("I")) {
            throw invalid(text, "is not a size");
        }
        BigDecimal base = BigDecimal.valueOf(suffix.equals("B") && !unit.isEmpty() ? 1000 : 1024);
        int power = unit.isEmpty() ? 0 : UNITS.indexOf(unit) + 1;
        BigDecimal bytes = new BigDecimal(m.group(1)).multiply(base.pow(power));
        try {
            return bytes.setScale(0, RoundingMode.UNNECESSARY).longValueExact();
        } catch (ArithmeticException e) {
            throw invalid(text, "is not a whole number of bytes below 8 EiB");
        }
    }

    /// The size for people, at most three significant decimals: `64 GiB`, `1.5 TiB`, `512 B`.
    public static String format(long bytes) {
        if (bytes < 1024) {
            return bytes + " B";
        }
        int power = (63 - Long.numberOfLeadingZeros(bytes)) / 10;
        BigDecimal value =
                BigDecimal.valueOf(bytes)
                        .divide(BigDecimal.valueOf(1L << (10 * power)), 2, RoundingMode.HALF_UP)
                        .stripTrailingZeros();
        return value.toPlainString() + " " + UNITS.charAt(power - 1) + "iB";
    }

    private static CisternException invalid(String text, String why) {
        return new CisternException(
                ErrorCode.INVALID,
                "'" + text + "' " + why + "; write for example 4096, 512MiB, 10GiB or 1.5TiB");
    }
}
