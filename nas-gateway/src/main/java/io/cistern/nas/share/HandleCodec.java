package io.cistern.nas.share;

import io.cistern.block.fs.FileId;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/// File handles as bytes, the same on every node of a cluster and for the life of the file. All
/// integers are big-endian.
///
/// ```
/// handle   = version:1 kind:1 reserved:2 share:8 snapshot:8 inode:8 generation:4 mac:8     40 bytes
/// version  = 1
/// kind     = 1 the directory above all shares (share, snapshot, inode and generation are 0)
///          | 2 a file of a share
/// reserved = 0
/// mac      = SipHash-2-4 of all before, under the cluster's key
/// ```
///
/// The check keeps clients from making up handles. It is no substitute for permissions, which every
/// request is checked against.
public final class HandleCodec {
    public static final int BYTES = 40;

    /// Longest handle in NFSv3 (RFC 1813 section 2.4); NFSv4 allows 128.
    public static final int MAX_V3_BYTES = 64;

    public static final int MAX_V4_BYTES = 128;

    private static final int VERSION = 1;
    private static final int KIND_ROOT = 1;
    private static final int KIND_FILE = 2;
    private static final int CHECKED_BYTES = BYTES - 8;

    private final SipHash mac;

    /// @param key 16 bytes, the same on every node
    public HandleCodec(byte[] key) {
        this.mac = new SipHash(key);
    }

    /// A key made from a secret, or from a name where the cluster has no secret.
    public static byte[] keyFrom(String secret) {
        try {
            byte[] digest =
                    MessageDigest.getInstance("SHA-256")
                            .digest(
                                    ("cistern nfs handles " + secret)
                                            .getBytes(java.nio.charset.StandardCharsets.UTF_8));
            return java.util.Arrays.copyOf(digest, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    public byte[] encode(FileHandle handle) {
        ByteBuffer out = ByteBuffer.allocate(BYTES).put((byte) VERSION);
        switch (handle) {
            case FileHandle.PseudoRoot _ -> out.put((byte) KIND_ROOT);
            case FileHandle.InShare h -> {
                out.put((byte) KIND_FILE).putShort((short) 0).putLong(h.share());
                out.putLong(h.file().snapshot()).putLong(h.file().inode());
                out.putInt(h.file().generation());
            }
        }
        return out.putLong(CHECKED_BYTES, mac.hash(out.array(), CHECKED_BYTES)).array();
    }

    /// @throws NfsException BADHANDLE where these are not bytes that [#encode] made
    public FileHandle decode(byte[] bytes) {
        if (bytes.length != BYTES || bytes[0] != VERSION) {
            throw bad();
        }
        ByteBuffer in = ByteBuffer.wrap(bytes);
        if (in.getLong(CHECKED_BYTES) != mac.hash(bytes, CHECKED_BYTES)) {
            throw bad();
        }
        int kind = in.position(1).get();
        in.getShort();
        if (kind == KIND_ROOT) {
            return FileHandle.PSEUDO_ROOT;
        }
        long share = in.getLong();
        return new FileHandle.InShare(share, new FileId(in.getLong(), in.getLong(), in.getInt()));
    }

    private static NfsException bad() {
        return new NfsException(NfsStatus.BADHANDLE, "not a file handle of this cluster");
    }
}
