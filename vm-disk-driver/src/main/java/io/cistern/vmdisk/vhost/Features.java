package io.cistern.vmdisk.vhost;

/// Bits of feature negotiation.
final class Features {
    // The block device's (VIRTIO 1.2, 5.2.3).
    static final long SEG_MAX = 1L << 2;
    static final long RO = 1L << 5;
    static final long BLK_SIZE = 1L << 6;
    static final long FLUSH = 1L << 9;
    static final long TOPOLOGY = 1L << 10;
    static final long CONFIG_WCE = 1L << 11;
    static final long MQ = 1L << 12;
    static final long DISCARD = 1L << 13;
    static final long WRITE_ZEROES = 1L << 14;

    // The transport's (VIRTIO 1.2, 6) and vhost's.
    static final long LOG_ALL = 1L << 26;
    static final long INDIRECT_DESC = 1L << 28;
    static final long EVENT_IDX = 1L << 29;
    static final long PROTOCOL_FEATURES = 1L << 30;
    static final long VERSION_1 = 1L << 32;

    /// Those a writable device offers.
    static final long WRITABLE =
            SEG_MAX
                    | BLK_SIZE
                    | FLUSH
                    | TOPOLOGY
                    | CONFIG_WCE
                    | MQ
                    | DISCARD
                    | WRITE_ZEROES
                    | LOG_ALL
                    | INDIRECT_DESC
                    | EVENT_IDX
                    | PROTOCOL_FEATURES
                    | VERSION_1;

    // The vhost-user protocol's own.
    static final long PROTOCOL_MQ = 1;
    static final long PROTOCOL_LOG_SHMFD = 1 << 1;
    static final long PROTOCOL_REPLY_ACK = 1 << 3;
    static final long PROTOCOL_BACKEND_REQ = 1 << 5;
    static final long PROTOCOL_CONFIG = 1 << 9;
    static final long PROTOCOL_INFLIGHT_SHMFD = 1 << 12;
    static final long PROTOCOL_CONFIGURE_MEM_SLOTS = 1 << 15;

    static final long PROTOCOL =
            PROTOCOL_MQ
                    | PROTOCOL_LOG_SHMFD
                    | PROTOCOL_REPLY_ACK
                    | PROTOCOL_BACKEND_REQ
                    | PROTOCOL_CONFIG
                    | PROTOCOL_INFLIGHT_SHMFD
                    | PROTOCOL_CONFIGURE_MEM_SLOTS;

    private Features() {}

    /// What a device offers.
    static long offered(boolean readOnly) {
        return readOnly ? (WRITABLE & ~(DISCARD | WRITE_ZEROES | CONFIG_WCE)) | RO : WRITABLE;
    }
}
