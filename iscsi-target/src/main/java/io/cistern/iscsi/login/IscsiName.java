package io.cistern.iscsi.login;

import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.Locale;
import java.util.regex.Pattern;

/// iSCSI names (RFC 7143 4.2.7, RFC 3722).
public final class IscsiName {
    /// RFC 7143 4.2.7.2.
    public static final int MAX_BYTES = 223;

    private static final Pattern IQN = Pattern.compile("iqn\\.\\d{4}-\\d{2}\\.[^.:][^:]*(:.*)?");
    private static final Pattern EUI = Pattern.compile("eui\\.[0-9a-f]{16}");
    private static final Pattern NAA = Pattern.compile("naa\\.([0-9a-f]{16}|[0-9a-f]{32})");

    private IscsiName() {}

    /// The form in which names are compared: NFKC, lower case.
    ///
    /// @throws IllegalArgumentException why it is no iSCSI name
    public static String normalise(String name) {
        String prepared =
                Normalizer.normalize(
                        Normalizer.normalize(name, Normalizer.Form.NFKC).toLowerCase(Locale.ROOT),
                        Normalizer.Form.NFKC);
        int bytes = prepared.getBytes(StandardCharsets.UTF_8).length;
        if (bytes > MAX_BYTES) {
            throw new IllegalArgumentException("a name of " + bytes + " bytes; 223 are allowed");
        }
        if (!prepared.codePoints().allMatch(IscsiName::allowed)) {
            throw new IllegalArgumentException(
                    "'" + Values.shorten(name) + "' has a character that names must not have");
        }
        if (!IQN.matcher(prepared).matches()
                && !EUI.matcher(prepared).matches()
                && !NAA.matcher(prepared).matches()) {
            throw new IllegalArgumentException(
                    "'" + Values.shorten(name) + "' is neither an iqn., an eui. nor a naa. name");
        }
        return prepared;
    }

    /// RFC 3722 section 6.2: of ASCII only letters, digits, `-`, `.` and `:`; no spaces, controls,
    /// symbols or punctuation of other scripts.
    private static boolean allowed(int c) {
        if (c < 0x80) {
            return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == ':';
        }
        return switch (Character.getType(c)) {
            case Character.LOWERCASE_LETTER,
                    Character.OTHER_LETTER,
                    Character.MODIFIER_LETTER,
                    Character.NON_SPACING_MARK,
                    Character.COMBINING_SPACING_MARK,
                    Character.DECIMAL_DIGIT_NUMBER ->
                    true;
            default -> false;
        };
    }
}
