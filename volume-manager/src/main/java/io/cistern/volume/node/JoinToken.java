package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;

/// What a new node needs to join: which cluster, where, and a secret. As text: base64url of JSON.
///
/// @param seeds node wire addresses, `host:port`
record JoinToken(String clusterId, String secret, List<String> seeds) {
    private static final int SECRET_BYTES = 24;
    private static final int MAX_TEXT = 64 << 10;

    static JoinToken create(String clusterId, List<String> seeds) {
        byte[] secret = new byte[SECRET_BYTES];
        new SecureRandom().nextBytes(secret);
        return new JoinToken(clusterId, HexFormat.of().formatHex(secret), List.copyOf(seeds));
    }

    String text() {
        return Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString(Json.bytes(JoinToken.class, this));
    }

    /// What the cluster keeps of it.
    String hash() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            return HexFormat.of().formatHex(digest.digest(secret.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new CisternException(ErrorCode.INTERNAL, "this Java has no SHA-256", e);
        }
    }

    /// @throws CisternException INVALID
    static JoinToken parse(String text) {
        try {
            if (text.length() > MAX_TEXT) {
                throw new IllegalArgumentException("too long");
            }
            JoinToken token =
                    Json.parse(
                            JoinToken.class,
                            Base64.getUrlDecoder().decode(text.strip()),
                            "the token");
            UUID.fromString(token.clusterId);
            return token;
        } catch (IllegalArgumentException | CisternException | NullPointerException e) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "this is not a join token; copy the whole line that 'cistern node token' printed",
                    e);
        }
    }

    @Override
    public String toString() {
        return "JoinToken[" + clusterId + ", secret not shown]";
    }
}
