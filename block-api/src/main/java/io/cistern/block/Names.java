package io.cistern.block;

import java.util.regex.Pattern;

/// The rule for names of volumes, snapshots, nodes and shares.
public final class Names {
    /// Longest name, in characters.
    public static final int MAX_LENGTH = 63;

    private static final Pattern ALLOWED = Pattern.compile("[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?");

    private Names() {}

    /// Returns `name` if it is allowed.
    ///
    /// @param what what the name is for, as in "volume name"
    /// @throws CisternException INVALID, saying the rule
    public static String check(String what, String name) {
        if (!ALLOWED.matcher(name).matches()) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "'"
                            + name
                            + "' cannot be a "
                            + what
                            + ": use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit");
        }
        return name;
    }
}
