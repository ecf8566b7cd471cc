package io.cistern.server.config;

import static io.cistern.server.config.ConfigKey.*;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.config.ServerConfig.ApiConfig;
import io.cistern.server.config.ServerConfig.ApiTls;
import io.cistern.server.config.ServerConfig.IscsiConfig;
import io.cistern.server.config.ServerConfig.LogConfig;
import io.cistern.server.config.ServerConfig.NfsConfig;
import io.cistern.volume.NodeConfig;
import io.cistern.volume.NodeConfig.DiskSpec;
import io.cistern.volume.NodeConfig.Formation;
import io.cistern.volume.NodeConfig.InitialNode;
import io.cistern.volume.NodeConfig.Tuning;
import io.cistern.volume.TlsFiles;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlTable;

/// Reads a node's configuration file. Unknown keys, values that do not parse and combinations that
/// make no sense are errors that name file and line.
public final class ConfigFile {
    /// Largest file that is read.
    static final int MAX_BYTES = 1 << 20;

    private static final Set<String> CHAP_ALGORITHMS = Set.of("sha3-256", "sha256", "sha1", "md5");
    private static final Set<String> LEVELS = Set.of("error", "warn", "info", "debug", "trace");

    private final Path file;
    private final TomlTable root;

    private ConfigFile(Path file, TomlTable root) {
        this.file = file;
        this.root = root;
    }

    /// @throws CisternException NOT_FOUND, IO or INVALID
    public static ServerConfig read(Path file) {
        return parse(file, text(file, MAX_BYTES, "configuration file"));
    }

    /// @param file where the text is from, for messages and relative paths
    public static ServerConfig parse(Path file, String text) {
        TomlParseResult result = Toml.parse(text);
        if (result.hasErrors()) {
            var first = result.errors().getFirst();
            throw invalid(
                    file + ":" + first.position().line(),
                    "is not TOML: "
                            + String.valueOf(first.getMessage()).lines().findFirst().orElse(""));
        }
        new ConfigKeys(file).check(result);
        return new ConfigFile(file, result).build();
    }

    private ServerConfig build() {
        ApiConfig api = api();
        IscsiConfig iscsi = iscsi();
        NfsConfig nfs = nfs();
        ConfigTable node = section("node");
        boolean witness = witness(node, iscsi != null || nfs != null);
        ConfigTable tuning = section("tuning");
        NodeConfig nodeConfig =
                new NodeConfig(
                        node.name(NODE_NAME),
                        node.name(NODE_ZONE),
                        witness,
                        witness ? directory() : disks(),
                        section("wire").address(WIRE_LISTEN),
                        section("raft").address(RAFT_LISTEN),
                        advertised(api),
                        iscsi == null ? null : String.join(",", iscsi.advertise()),
                        nfs == null ? null : nfs.advertise(),
                        tls(),
                        formation(node.name(NODE_NAME)),
                        tuning(tuning));
        return new ServerConfig(nodeConfig, api, iscsi, nfs, log());
    }

    private static boolean witness(ConfigTable node, boolean frontEnds) {
        String role = node.text(NODE_ROLE);
        if (!role.equals("data") && !role.equals("witness")) {
            throw node.wrong(NODE_ROLE, "must be data or witness, not '" + role + "'");
        }
        boolean witness = role.equals("witness");
        if (witness && frontEnds) {
            throw node.wrong(
                    NODE_ROLE, "is witness: that serves no volumes, leave [iscsi] and [nfs] out");
        }
        return witness;
    }

    /// Of a witness.
    private List<DiskSpec> directory() {
        List<DiskSpec> disks = disks();
        if (disks.size() > 1 || disks.getFirst().sizeBytes() != 0) {
            throw section("node")
                    .wrong(
                            NODE_ROLE,
                            "is witness: that has one [[disk]], a directory for its logs, without a size");
        }
        return disks;
    }

    private List<DiskSpec> disks() {
        List<DiskSpec> disks = new ArrayList<>();
        for (ConfigTable disk : sections("disk")) {
            disks.add(new DiskSpec(disk.requiredPath(DISK_PATH), disk.size(DISK_SIZE)));
        }
        if (disks.isEmpty()) {
            throw invalid(file.toString(), "gives the node no disk: add [[disk]] with a path");
        }
        return List.copyOf(disks);
    }

    private Tuning tuning(ConfigTable tuning) {
        Duration election = tuning.duration(TUNING_ELECTION_TIMEOUT);
        if (election.compareTo(Duration.ofMillis(100)) < 0
                || election.compareTo(Duration.ofSeconds(60)) > 0) {
            throw tuning.wrong(TUNING_ELECTION_TIMEOUT, "must be 100ms to 60s");
        }
        Duration keepLogs = tuning.duration(TUNING_KEEP_LOGS);
        if (keepLogs.compareTo(Duration.ofDays(365)) > 0) {
            throw tuning.wrong(TUNING_KEEP_LOGS, "must be at most 8760h");
        }
        return new Tuning(
                tuning.count(TUNING_NODES_PER_GROUP),
                (int) election.toMillis(),
                tuning.size(TUNING_CACHE),
                tuning.size(TUNING_CHECKPOINT),
                keepLogs.toMillis());
    }

    private @Nullable TlsFiles tls() {
        ConfigTable tls = section("tls");
        Path certificate = tls.path(TLS_CERTIFICATE);
        Path key = tls.path(TLS_KEY);
        Path authority = tls.path(TLS_AUTHORITY);
        if (certificate == null && key == null && authority == null) {
            return null;
        }
        if (certificate == null || key == null || authority == null) {
            throw invalid(
                    file.toString(), "[tls] needs certificate, key and authority, or none of them");
        }
        return new TlsFiles(certificate, key, authority);
    }

    private @Nullable Formation formation(String self) {
        ConfigTable cluster = section("cluster");
        Path tokenFile = cluster.path(CLUSTER_JOIN_TOKEN_FILE);
        String id = cluster.text(CLUSTER_ID);
        List<InitialNode> members = new ArrayList<>();
        for (ConfigTable m : sections("cluster.node")) {
            members.add(
                    new InitialNode(
                            m.name(MEMBER_NAME),
                            m.name(MEMBER_ZONE),
                            m.address(MEMBER_WIRE),
                            m.address(MEMBER_RAFT),
                            m.text(MEMBER_API)));
        }
        if (tokenFile != null) {
            if (!id.isEmpty() || !members.isEmpty()) {
                throw cluster.wrong(
                        CLUSTER_JOIN_TOKEN_FILE,
                        "joins a cluster; cluster.id and [[cluster.node]] form one: keep one of both");
            }
            return Files.exists(tokenFile)
                    ? new Formation.Join(text(tokenFile, 65536, "join token").strip())
                    : null;
        }
        if (id.isEmpty() && members.isEmpty()) {
            return null;
        }
        if (!id.matches("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")) {
            throw cluster.wrong(CLUSTER_ID, "must be a UUID in lower case, as uuidgen prints");
        }
        if (members.stream().noneMatch(m -> m.name().equals(self))) {
            throw invalid(
                    file.toString(), "[[cluster.node]] does not list this node, '" + self + "'");
        }
        if (members.stream().map(InitialNode::name).distinct().count() != members.size()) {
            throw invalid(file.toString(), "[[cluster.node]] lists a name twice");
        }
        return new Formation.Bootstrap(id, List.copyOf(members));
    }

    private ApiConfig api() {
        ConfigTable api = section("api");
        InetSocketAddress listen = api.address(API_LISTEN);
        Path tokenFile = api.path(API_TOKEN_FILE);
        Path certificate = api.path(API_CERTIFICATE);
        Path key = api.path(API_KEY);
        if ((certificate == null) != (key == null)) {
            throw api.wrong(API_CERTIFICATE, "and api.key belong together: give both or none");
        }
        boolean loopback = listen.getAddress().isLoopbackAddress();
        if (!loopback && (tokenFile == null || certificate == null)) {
            throw api.wrong(
                    API_LISTEN,
                    "is not a loopback address: give api.token-file, api.certificate and api.key as well");
        }
        long maxBody = api.size(API_MAX_BODY);
        if (maxBody < 1 || maxBody > ApiConfig.MAX_BODY_BYTES) {
            throw api.wrong(API_MAX_BODY, "must be 1 byte to 16MiB");
        }
        return new ApiConfig(
                listen,
                tokenFile == null ? null : token(tokenFile),
                certificate == null || key == null ? null : new ApiTls(certificate, key),
                api.count(API_MAX_CONNECTIONS),
                (int) maxBody,
                api.duration(API_IDLE_TIMEOUT));
    }

    private @Nullable IscsiConfig iscsi() {
        ConfigTable iscsi = section("iscsi");
        List<InetSocketAddress> listen = iscsi.addresses(ISCSI_LISTEN);
        List<String> advertise = iscsi.words(ISCSI_ADVERTISE);
        if (listen.isEmpty()) {
            if (!advertise.isEmpty()) {
                throw iscsi.wrong(ISCSI_ADVERTISE, "needs iscsi.listen: no portal runs without");
            }
            return null;
        }
        if (advertise.isEmpty()) {
            if (listen.stream().anyMatch(a -> a.getAddress().isAnyLocalAddress())) {
                throw iscsi.wrong(
                        ISCSI_LISTEN,
                        "is every address of this host: say which of them others reach in iscsi.advertise");
            }
            advertise = listen.stream().map(Addresses::format).toList();
        } else {
            iscsi.addresses(ISCSI_ADVERTISE);
        }
        List<String> algorithms = iscsi.words(ISCSI_CHAP_ALGORITHMS);
        if (algorithms.isEmpty() || !CHAP_ALGORITHMS.containsAll(algorithms)) {
            throw iscsi.wrong(
                    ISCSI_CHAP_ALGORITHMS, "must be one or more of sha3-256, sha256, sha1 and md5");
        }
        return new IscsiConfig(listen, advertise, algorithms, iscsi.count(ISCSI_MAX_CONNECTIONS));
    }

    private @Nullable NfsConfig nfs() {
        ConfigTable nfs = section("nfs");
        List<InetSocketAddress> listen = nfs.addresses(NFS_LISTEN);
        List<InetSocketAddress> portmapper = nfs.addresses(NFS_PORTMAPPER);
        if (listen.isEmpty()) {
            return null;
        }
        if (portmapper.size() > 1) {
            throw nfs.wrong(NFS_PORTMAPPER, "must be one address");
        }
        long leaseSeconds = nfs.duration(NFS_LEASE).toSeconds();
        if (leaseSeconds < 1 || leaseSeconds > 3_600) {
            throw nfs.wrong(NFS_LEASE, "must be 1s to 1h");
        }
        Path certificate = nfs.path(NFS_CERTIFICATE);
        Path key = nfs.path(NFS_KEY);
        if ((certificate == null) != (key == null)) {
            throw nfs.wrong(NFS_CERTIFICATE, "and nfs.key belong together: give both or none");
        }
        String advertise = nfs.text(NFS_ADVERTISE);
        return new NfsConfig(
                listen,
                advertise.isEmpty() ? Addresses.format(listen.getFirst()) : advertise,
                portmapper.isEmpty() ? null : portmapper.getFirst(),
                (int) leaseSeconds,
                certificate == null || key == null ? null : new ApiTls(certificate, key));
    }

    private String advertised(ApiConfig api) {
        String given = section("api").text(API_ADVERTISE);
        if (given.isEmpty()) {
            return (api.tls() == null ? "http://" : "https://") + Addresses.format(api.listen());
        }
        if (!given.startsWith("http://") && !given.startsWith("https://")) {
            throw section("api").wrong(API_ADVERTISE, "must start with http:// or https://");
        }
        return given;
    }

    private LogConfig log() {
        ConfigTable log = section("log");
        String level = log.text(LOG_LEVEL);
        if (!LEVELS.contains(level)) {
            throw log.wrong(LOG_LEVEL, "must be one of error, warn, info, debug, trace");
        }
        return new LogConfig(level, log.path(LOG_FILE));
    }

    private static String token(Path file) {
        String token = text(file, 65536, "API token").strip();
        if (token.length() < 16
                || token.length() > 4096
                || !token.chars().allMatch(c -> c > ' ' && c < 127)) {
            throw invalid(file.toString(), "must hold 16 to 4096 printable characters, no spaces");
        }
        return token;
    }

    private ConfigTable section(String name) {
        return new ConfigTable(file, root.getTable(name));
    }

    private List<ConfigTable> sections(String name) {
        TomlArray array = root.getArray(name);
        List<ConfigTable> tables = new ArrayList<>();
        for (int i = 0; array != null && i < array.size(); i++) {
            tables.add(new ConfigTable(file, array.getTable(i)));
        }
        return tables;
    }

    private static String text(Path file, int maxBytes, String what) {
        try {
            if (Files.size(file) > maxBytes) {
                throw invalid(file.toString(), "is larger than a " + what + " may be");
            }
            return Files.readString(file);
        } catch (NoSuchFileException e) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "there is no " + what + " at " + file, e);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot read the " + what + " " + file + ": " + e, e);
        }
    }

    private static CisternException invalid(String where, String why) {
        return new CisternException(ErrorCode.INVALID, where + ": " + why);
    }
}
