package io.cistern.iscsi.login;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.jspecify.annotations.Nullable;

/// The hashes of CHAP, by their number in CHAP_A (IANA registry "PPP Authentication Algorithms").
public enum ChapAlgorithm {
    MD5(5, "MD5", 16),
    SHA1(6, "SHA-1", 20),
    SHA_256(7, "SHA-256", 32),
    SHA3_256(8, "SHA3-256", 32);

    private final int number;
    private final String java;
    private final int bytes;

    ChapAlgorithm(int number, String java, int bytes) {
        this.number = number;
        this.java = java;
        this.bytes = bytes;
    }

    public int number() {
        return number;
    }

    /// Length of the hash, and of the challenges we send with it.
    public int bytes() {
        return bytes;
    }

    static @Nullable ChapAlgorithm of(String number) {
        for (ChapAlgorithm one : values()) {
            if (Integer.toString(one.number).equals(number)) {
                return one;
            }
        }
        return null;
    }

    /// RFC 1994 4.1: the hash of identifier, secret and challenge.
    byte[] response(int id, byte[] secret, byte[] challenge) {
        try {
            MessageDigest digest = MessageDigest.getInstance(java);
            digest.update((byte) id);
            digest.update(secret);
            return digest.digest(challenge);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has " + java, e);
        }
    }
}
