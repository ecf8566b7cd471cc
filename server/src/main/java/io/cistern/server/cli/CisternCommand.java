package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.Version;
import io.cistern.server.api.RestAdmin;
import io.cistern.server.api.RestClient;
import io.cistern.server.local.LocalHome;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/// The root command: the options that every command takes, and what follows from them.
@Command(
        name = "cistern",
        version = "cistern " + Version.TEXT,
        description =
                "Replicated storage: volumes for virtual machines and iSCSI hosts, shares for NFS clients.%n",
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "More commands, run by the launcher:",
            "  demo        the main job from start to finish on this machine",
            "  test        everything the project checks",
            "",
            "A tour:",
            "  cistern start --processes              three nodes on this machine",
            "  cistern volume create vm1 20GiB        a thin, replicated volume",
            "  cistern volume import golden d.qcow2   a volume from an image",
            "  cistern attach vm1                     prints QEMU arguments and libvirt XML",
            "  cistern iscsi export golden            a volume for other hosts, from every node",
            "  cistern share create home              a file system for NFS clients",
            "  cistern snapshot create vm1@monday     in milliseconds",
            "  cistern clone vm1@monday vm2           a writable copy that shares its blocks",
            "  cistern snapshot rollback vm1@monday   what was there stays as a snapshot",
            "  cistern status                         health, nodes, running work",
            "  cistern stop                           data stays",
            "",
            "Exit status: 0 done, 1 failed (one line on stderr says why), 2 wrong usage.",
            "'cistern COMMAND --help' has an example for every command.",
        })
final class CisternCommand implements Runnable {
    /// The commands, in the order in which help shows them.
    static final List<Class<?>> COMMANDS =
            List.of(
                    LocalCommands.Start.class,
                    LocalCommands.Stop.class,
                    StatusCommand.class,
                    ClusterCommands.class,
                    NodeCommands.class,
                    DiskCommands.class,
                    VolumeCommands.class,
                    SnapshotCommands.class,
                    SnapshotCommands.CloneVolume.class,
                    ShareCommands.class,
                    AttachCommands.Attach.class,
                    AttachCommands.Detach.class,
                    IscsiCommands.class,
                    GuestCommands.class,
                    CheckCommands.Scrub.class,
                    CheckCommands.Verify.class,
                    CompletionCommand.class,
                    AttachCommands.Driver.class);

    /// Where the API of a local cluster is by default.
    static final String DEFAULT_API = "http://127.0.0.1:7480";

    /// How results are printed.
    enum Output {
        TEXT,
        JSON
    }

    @Spec private @Nullable CommandSpec spec;

    @Option(
            names = "--api",
            scope = ScopeType.INHERIT,
            paramLabel = "URL",
            description =
                    "The cluster's API; several with commas. Default: CISTERN_API, else the cluster in --home, else "
                            + DEFAULT_API)
    private @Nullable String api;

    @Option(
            names = "--home",
            scope = ScopeType.INHERIT,
            paramLabel = "DIR",
            description =
                    "A local cluster's files and this host's sockets. Default: CISTERN_HOME, else $XDG_DATA_HOME/cistern")
    private @Nullable Path home;

    @Option(
            names = "--token-file",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description =
                    "File with the API's token, where it needs one. Default: CISTERN_TOKEN_FILE")
    private @Nullable Path tokenFile;

    @Option(
            names = "--ca-file",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description =
                    "PEM certificates of the authority that signed the API's, for https. Default: CISTERN_CA_FILE, else Java's")
    private @Nullable Path caFile;

    @Option(
            names = {"-o", "--output"},
            scope = ScopeType.INHERIT,
            paramLabel = "FORMAT",
            description = "text or json. Default: text")
    private Output output = Output.TEXT;

    @Option(
            names = {"-h", "--help"},
            scope = ScopeType.INHERIT,
            usageHelp = true,
            description = "Shows this help")
    @SuppressWarnings("UnusedVariable") // picocli looks at the option itself
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Shows the version")
    @SuppressWarnings("UnusedVariable") // likewise
    private boolean version;

    @Override
    public void run() {
        CommandSpec here = spec;
        if (here != null) {
            throw new ParameterException(here.commandLine(), "a command is missing");
        }
    }

    Output output() {
        return output;
    }

    LocalHome home() {
        if (home != null) {
            return new LocalHome(home);
        }
        String set = System.getenv("CISTERN_HOME");
        if (set != null && !set.isBlank()) {
            return new LocalHome(Path.of(set));
        }
        String data = System.getenv("XDG_DATA_HOME");
        Path base =
                data != null && !data.isBlank()
                        ? Path.of(data)
                        : Path.of(System.getProperty("user.home"), ".local", "share");
        return new LocalHome(base.resolve("cistern"));
    }

    RestClient rest() {
        return rest(apis());
    }

    /// A client for these addresses, with the token and authority that the user named.
    RestClient rest(List<String> urls) {
        return new RestClient(urls, token(), authority());
    }

    RestAdmin admin() {
        return new RestAdmin(rest());
    }

    private List<String> apis() {
        String given = api != null ? api : System.getenv("CISTERN_API");
        if (given != null && !given.isBlank()) {
            return List.of(given.strip().split("\\s*,\\s*"));
        }
        List<String> local = home().endpoints();
        return local.isEmpty() ? List.of(DEFAULT_API) : local;
    }

    private @Nullable Path authority() {
        String set = System.getenv("CISTERN_CA_FILE");
        return caFile != null ? caFile : set == null || set.isBlank() ? null : Path.of(set);
    }

    private @Nullable String token() {
        String set = System.getenv("CISTERN_TOKEN_FILE");
        Path file = tokenFile != null ? tokenFile : set == null ? null : Path.of(set);
        if (file == null) {
            return null;
        }
        return secret(file);
    }

    /// What a file holds, without the line's end.
    ///
    /// @throws CisternException NOT_FOUND, IO
    static String secret(Path file) {
        try {
            return Files.readString(file).strip();
        } catch (NoSuchFileException e) {
            throw new CisternException(ErrorCode.NOT_FOUND, "there is no token file " + file, e);
        } catch (AccessDeniedException e) {
            throw new CisternException(ErrorCode.IO, "you may not read the token file " + file, e);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot read the token file " + file + ": " + e, e);
        }
    }
}
