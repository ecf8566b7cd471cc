package io.cistern.iscsi.login;

import java.util.Base64;
import java.util.HexFormat;
import java.util.List;

/// The kinds of values of RFC 7143 6.1.
final class Values {
    private static final int MAX_DIGITS = 20;

    private Values() {}

    /// A numerical value, decimal or hexadecimal, from `min` to `max`.
    ///
    /// @throws IllegalArgumentException anything else
    static long number(String value, long min, long max) {
        try {
            boolean hex = value.startsWith("0x") || value.startsWith("0X");
            String digits = hex ? value.substring(2) : value;
            if (digits.isEmpty() || digits.length() > MAX_DIGITS || !isAlphanumeric(digits)) {
                throw new IllegalArgumentException("'" + shorten(value) + "' is no number");
            }
            long n = Long.parseLong(digits, hex ? 16 : 10);
            if (n < min || n > max) {
                throw new IllegalArgumentException(n + " is not from " + min + " to " + max);
            }
            return n;
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("'" + shorten(value) + "' is no number", e);
        }
    }

    private static boolean isAlphanumeric(String digits) {
        return digits.chars().allMatch(c -> c < 128 && Character.isLetterOrDigit(c));
    }

    static boolean yesNo(String value) {
        return switch (value) {
            case "Yes" -> true;
            case "No" -> false;
            default ->
                    throw new IllegalArgumentException(
                            "'" + shorten(value) + "' is neither Yes nor No");
        };
    }

    static List<String> list(String value) {
        return List.of(value.split(",", -1));
    }

    /// A binary value: `0x` and hexadecimal digits, or `0b` and Base64.
    ///
    /// @throws IllegalArgumentException where it is neither, empty, or longer than `maxBytes`
    static byte[] binary(String value, int maxBytes) {
        String kind = value.length() < 2 ? "" : value.substring(0, 2);
        String digits = value.length() < 2 ? "" : value.substring(2);
        byte[] bytes =
                switch (kind) {
                    case "0x", "0X" -> hex(digits);
                    case "0b", "0B" -> Base64.getDecoder().decode(digits);
                    default -> throw new IllegalArgumentException("no binary value");
                };
        if (bytes.length == 0 || bytes.length > maxBytes) {
            throw new IllegalArgumentException(
                    "a binary value of " + bytes.length + " bytes; 1 to " + maxBytes);
        }
        return bytes;
    }

    /// An odd number of digits has a leading zero that is not written.
    private static byte[] hex(String digits) {
        return HexFormat.of().parseHex(digits.length() % 2 == 0 ? digits : "0" + digits);
    }

    static String hex(byte[] bytes) {
        return "0x" + HexFormat.of().formatHex(bytes);
    }

    /// What a peer sent, fit for a log: no controls, not long.
    static String shorten(String value) {
        String shown = value.length() <= 40 ? value : value.substring(0, 40) + "…";
        return shown.replaceAll("\\p{Cntrl}", "?");
    }
}
