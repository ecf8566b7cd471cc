package io.cistern.nas.v4;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// Checks of strings.
final class Utf8 {
    /// U+FFFE and U+FFFF are no characters.
    private static final int FIRST_NONCHARACTER = 0xfffe;

    private Utf8() {}

    static boolean valid(byte[] bytes) {
        try {
            CharBuffer text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
            return text.chars().noneMatch(c -> c >= FIRST_NONCHARACTER);
        } catch (CharacterCodingException e) {
            return false;
        }
    }
}
