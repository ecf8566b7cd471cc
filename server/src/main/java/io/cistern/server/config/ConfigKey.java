package io.cistern.server.config;

import org.jspecify.annotations.Nullable;

/// Every key of the configuration file: where it stands, its type, its default, what it means. The
/// only place where a default is written; `docs/configuration.md` is checked against it.
public enum ConfigKey {
    NODE_NAME("node", "name", Type.NAME, null, "The node's name, unique in the cluster."),
    NODE_ZONE(
            "node",
            "zone",
            Type.NAME,
            "default",
            "Failure domain. Replicas of a group avoid sharing one."),
    NODE_ROLE(
            "node",
            "role",
            Type.TEXT,
            "data",
            "`data`, or `witness`: votes in groups of two replicas and holds no data of volumes. A witness has one `[[disk]]`, a directory for its logs, no `[iscsi]` and no `[nfs]`, and joins a cluster that is there. Cannot be changed later."),

    DISK_PATH(
            "disk",
            "path",
            Type.PATH,
            null,
            "A directory for the pool; empty or this node's. The first disk also holds the node's identity. A device cannot be given by itself: make a file system on it (ext4 or XFS) and give a directory of that."),
    DISK_SIZE(
            "disk",
            "size",
            Type.SIZE,
            "0",
            "Most bytes of data to hold there; 0 for what the file system has."),

    WIRE_LISTEN(
            "wire",
            "listen",
            Type.ADDRESS,
            "127.0.0.1:7481",
            "Where other nodes and drivers reach this node's volumes."),
    RAFT_LISTEN(
            "raft",
            "listen",
            Type.ADDRESS,
            "127.0.0.1:7482",
            "Where other nodes reach this node's replicas."),

    API_LISTEN(
            "api",
            "listen",
            Type.ADDRESS,
            "127.0.0.1:7480",
            "Where the REST API listens. Anything but loopback needs `token-file`, `certificate` and `key`."),
    API_ADVERTISE(
            "api",
            "advertise",
            Type.TEXT,
            "",
            "The API's base URL as others reach it, as `https://n1.example:7480`; empty for the address it listens on."),
    API_TOKEN_FILE(
            "api",
            "token-file",
            Type.PATH,
            "",
            "File with the bearer token that requests must carry (16 to 4096 characters, readable by its owner only); empty for none."),
    API_CERTIFICATE(
            "api",
            "certificate",
            Type.PATH,
            "",
            "PEM certificate chain of the API; empty for plain HTTP."),
    API_KEY("api", "key", Type.PATH, "", "PEM private key (PKCS#8) for `certificate`."),
    API_MAX_CONNECTIONS(
            "api",
            "max-connections",
            Type.COUNT,
            "256",
            "Most open connections; further ones are closed at once."),
    API_MAX_BODY("api", "max-body", Type.SIZE, "1MiB", "Largest request body, up to 16MiB."),
    API_IDLE_TIMEOUT(
            "api",
            "idle-timeout",
            Type.DURATION,
            "60s",
            "A connection that neither sends nor reads for this long is closed."),

    ISCSI_LISTEN(
            "iscsi",
            "listen",
            Type.ADDRESSES,
            "",
            "Where this node's iSCSI portal listens, as `0.0.0.0:3260`; empty for no portal. What can be reached there are exported volumes only."),
    ISCSI_ADVERTISE(
            "iscsi",
            "advertise",
            Type.TEXT,
            "",
            "The portal's addresses as initiators reach them, which discovery answers with; empty for those it listens on. Needed where it listens on `0.0.0.0`."),
    ISCSI_CHAP_ALGORITHMS(
            "iscsi",
            "chap-algorithms",
            Type.TEXT,
            "sha3-256,sha256",
            "CHAP algorithms that are accepted, of `sha3-256`, `sha256`, `sha1` and `md5`; the initiator's order decides. The last two are weak: only for initiators that have nothing else, such as Windows and ESXi (`md5`)."),
    ISCSI_MAX_CONNECTIONS(
            "iscsi",
            "max-connections",
            Type.COUNT,
            "512",
            "Most connections, and so sessions, at this node's portal; further ones are closed at once."),
    NFS_LISTEN(
            "nfs",
            "listen",
            Type.ADDRESSES,
            "",
            "Where this node serves NFS and MOUNT, as `0.0.0.0:2049`; empty for no NFS. What can be reached there is up to the shares' client rules."),
    NFS_ADVERTISE(
            "nfs",
            "advertise",
            Type.TEXT,
            "",
            "The address that `cistern status` shows for NFS; empty for the first one it listens on."),
    NFS_PORTMAPPER(
            "nfs",
            "portmapper",
            Type.ADDRESSES,
            "",
            "Where a portmapper for NFS and MOUNT is served, as `0.0.0.0:111`; empty for none: NFSv3 clients then name the ports."),
    NFS_LEASE(
            "nfs",
            "lease",
            Type.DURATION,
            "30s",
            "An NFSv4 client that is silent for longer may lose its opens and locks; also how long, at most, others wait after a failover for what it may have locked or delegated. 1s to 1h."),
    NFS_CERTIFICATE(
            "nfs",
            "certificate",
            Type.PATH,
            "",
            "PEM certificate chain with which NFS over TLS is offered; empty for no TLS."),
    NFS_KEY("nfs", "key", Type.PATH, "", "PEM private key (PKCS#8) for `certificate`."),

    CLUSTER_ID(
            "cluster",
            "id",
            Type.TEXT,
            "",
            "A random UUID, as `uuidgen` prints, the same on every node that forms the cluster. Empty where the node joins one."),
    CLUSTER_JOIN_TOKEN_FILE(
            "cluster",
            "join-token-file",
            Type.PATH,
            "",
            "File with a token from `cistern node token`: an empty node joins that cluster."),

    MEMBER_NAME("cluster.node", "name", Type.NAME, null, "A node that forms the cluster."),
    MEMBER_ZONE("cluster.node", "zone", Type.NAME, "default", "Its failure domain."),
    MEMBER_WIRE(
            "cluster.node", "wire", Type.ADDRESS, null, "Its `wire.listen` as others reach it."),
    MEMBER_RAFT(
            "cluster.node", "raft", Type.ADDRESS, null, "Its `raft.listen` as others reach it."),
    MEMBER_API("cluster.node", "api", Type.TEXT, null, "Base URL of its REST API."),

    TLS_CERTIFICATE(
            "tls",
            "certificate",
            Type.PATH,
            "",
            "PEM certificate chain of this node for traffic between nodes and with drivers; empty for plain connections."),
    TLS_KEY("tls", "key", Type.PATH, "", "PEM private key (PKCS#8) for `certificate`."),
    TLS_AUTHORITY(
            "tls",
            "authority",
            Type.PATH,
            "",
            "PEM certificate of the only authority whose certificates peers may show."),

    TUNING_NODES_PER_GROUP(
            "tuning",
            "nodes-per-group",
            Type.COUNT,
            "3",
            "One data group is made for this many nodes."),
    TUNING_ELECTION_TIMEOUT(
            "tuning",
            "election-timeout",
            Type.DURATION,
            "500ms",
            "Least time without word from a leader before a replica stands for election."),
    TUNING_CACHE(
            "tuning",
            "cache",
            Type.SIZE,
            "64MiB",
            "Memory for cached map rows and blocks, per disk."),
    TUNING_CHECKPOINT(
            "tuning",
            "checkpoint",
            Type.SIZE,
            "64MiB",
            "Log bytes after which the applied state is made durable and the log purged."),
    TUNING_KEEP_LOGS(
            "tuning",
            "keep-damaged-logs",
            Type.DURATION,
            "168h",
            "How long the logs of replicas that were damaged, and have been replaced, are kept for inspection; up to 8760h."),

    LOG_LEVEL("log", "level", Type.LEVEL, "info", "`error`, `warn`, `info`, `debug` or `trace`."),
    LOG_FILE(
            "log",
            "file",
            Type.PATH,
            "",
            "Log file, kept at five files of 10MiB; empty for standard output.");

    /// How a value is written.
    public enum Type {
        TEXT("text"),
        NAME("1 to 63 of a-z, 0-9, `.`, `_`, `-`"),
        PATH("path; a relative one starts at the file's folder"),
        SIZE("size, as `64MiB` or `10 GiB`"),
        DURATION("time, as `500ms`, `60s`, `5m` or `1h`"),
        COUNT("whole number, at least 1"),
        ADDRESS("`HOST:PORT`"),
        ADDRESSES("`HOST:PORT`, several with commas"),
        LEVEL("word");

        private final String form;

        Type(String form) {
            this.form = form;
        }

        /// How to write such a value, for people.
        public String form() {
            return form;
        }
    }

    private final String section;
    private final String key;
    private final Type type;
    private final @Nullable String defaultText;
    private final String doc;

    ConfigKey(String section, String key, Type type, @Nullable String defaultText, String doc) {
        this.section = section;
        this.key = key;
        this.type = type;
        this.defaultText = defaultText;
        this.doc = doc;
    }

    /// The table it stands in, dotted.
    public String section() {
        return section;
    }

    public String key() {
        return key;
    }

    public Type type() {
        return type;
    }

    /// As it would be written; null where the key must be given.
    public @Nullable String defaultText() {
        return defaultText;
    }

    public String doc() {
        return doc;
    }

    /// `section.key`
    public String path() {
        return section + "." + key;
    }

    /// Whether the section is an array of tables, `[[section]]`.
    public static boolean repeated(String section) {
        return section.equals("disk") || section.equals("cluster.node");
    }
}
