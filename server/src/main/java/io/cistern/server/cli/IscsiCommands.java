package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Size;
import io.cistern.volume.IscsiExport;
import io.cistern.volume.IscsiExport.Chap;
import io.cistern.volume.IscsiExport.PortalInfo;
import io.cistern.volume.IscsiExport.Session;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "iscsi",
        description = "Offers volumes over iSCSI, from every node.",
        subcommands = {
            IscsiCommands.Export.class,
            IscsiCommands.Unexport.class,
            IscsiCommands.ListAll.class,
            IscsiCommands.Sessions.class,
        },
        footer = {"", "Example:", "  cistern iscsi export vm1"})
final class IscsiCommands extends BaseCommand.Group {
    /// Longest secret file, with its line end.
    private static final int MAX_SECRET_FILE_BYTES = 1024;

    @Command(
            name = "export",
            description =
                    "Offers a volume over iSCSI: as target "
                            + IscsiExport.PREFIX
                            + "VOLUME, LUN 0, from every node.",
            footer = {
                "",
                "Examples:",
                "  cistern iscsi export vm1 --initiator iqn.1993-08.org.debian:01:1a2b3c",
                "  cistern iscsi export vm1 --chap-user host1 --chap-secret-file host1.secret",
                "",
                "A secret file holds one line of 12 to 255 bytes and is readable by its owner only."
            })
    static final class Export extends BaseCommand {
        @Parameters(paramLabel = "VOLUME")
        private @Nullable String volume;

        @Option(
                names = "--initiator",
                paramLabel = "IQN",
                description = "Who may log in; may be repeated. Default: anyone")
        private List<String> initiators = List.of();

        @Option(
                names = "--chap-user",
                paramLabel = "USER",
                description = "Name that initiators authenticate as. Default: none asked")
        private @Nullable String chapUser;

        @Option(
                names = "--chap-secret-file",
                paramLabel = "FILE",
                description = "File with their secret")
        private @Nullable Path chapSecret;

        @Option(
                names = "--mutual-user",
                paramLabel = "USER",
                description = "Name that the target authenticates as")
        private @Nullable String mutualUser;

        @Option(
                names = "--mutual-secret-file",
                paramLabel = "FILE",
                description = "File with the target's secret; another than the initiators'")
        private @Nullable Path mutualSecret;

        @Option(
                names = "--block-size",
                paramLabel = "BYTES",
                description = "Size of a logical block, 512 or 4096. Default: 512")
        private int blockSize = 512;

        @Override
        void execute() {
            if (blockSize != 512 && blockSize != 4096) {
                throw wrong("--block-size is 512 or 4096");
            }
            Chap chap = chap("--chap", chapUser, chapSecret);
            Chap mutual = chap("--mutual", mutualUser, mutualSecret);
            if (mutual != null && chap == null) {
                throw wrong(
                        "--mutual-user needs --chap-user: a target proves itself only to initiators that do");
            }
            IscsiExport made =
                    admin().exportVolume(
                                    new IscsiExport.Spec(
                                            given(volume), initiators, chap, mutual, blockSize));
            print(made, text(made));
        }

        private @Nullable Chap chap(String option, @Nullable String user, @Nullable Path file) {
            if (user == null && file == null) {
                return null;
            }
            if (user == null || file == null) {
                throw wrong(option + "-user and " + option + "-secret-file belong together");
            }
            return new Chap(user, secret(file));
        }

        private static String text(IscsiExport e) {
            StringBuilder out = new StringBuilder("exported " + e.volume() + " as " + e.target());
            for (PortalInfo portal : e.portals()) {
                out.append("\n  ").append(portal.address()).append("  ").append(portal.node());
            }
            if (e.portals().isEmpty()) {
                out.append(
                        "\nno node has a portal yet: set iscsi.listen in the nodes' configuration");
            }
            if (e.initiators().isEmpty() && e.chapUser() == null) {
                out.append(
                        "\nanyone who reaches a portal may use it: restrict it by --initiator or --chap-user");
            }
            return out.toString();
        }
    }

    /// The line in a secret's file.
    ///
    /// @throws CisternException IO; INVALID where others than its owner may read it
    static String secret(Path file) {
        try {
            Set<PosixFilePermission> mode = Files.getPosixFilePermissions(file);
            boolean open =
                    mode.stream()
                            .anyMatch(p ->
                                    p != PosixFilePermission.OWNER_READ
                                            && p != PosixFilePermission.OWNER_WRITE
                                            && p != PosixFilePermission.OWNER_EXECUTE);
            if (open) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        file
                                + " can be read by others than its owner; run 'chmod 600 "
                                + file
                                + "'");
            }
            if (Files.size(file) > MAX_SECRET_FILE_BYTES) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        file + " is too long for a secret: one line of 12 to 255 bytes");
            }
            String text = Files.readString(file);
            String secret = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
            if (secret.lines().count() > 1) {
                throw new CisternException(
                        ErrorCode.INVALID, file + " has several lines; a secret is one");
            }
            return secret;
        } catch (IOException | UnsupportedOperationException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot read the secret file " + file + ": " + e, e);
        }
    }

    @Command(
            name = "unexport",
            description = "Ends a volume's iSCSI sessions and offers it no more. Its data stays.",
            footer = {"", "Example:", "  cistern iscsi unexport vm1"})
    static final class Unexport extends BaseCommand {
        @Parameters(paramLabel = "VOLUME")
        private @Nullable String volume;

        @Override
        void execute() {
            String name = given(volume);
            admin().unexportVolume(name);
            print(Map.of("unexported", name), "unexported " + name);
        }
    }

    @Command(
            name = "list",
            description = "Lists what is offered over iSCSI, and to whom.",
            footer = {"", "Example:", "  cistern iscsi list -o json | jq -r '.[].target'"})
    static final class ListAll extends BaseCommand {
        @Override
        void execute() {
            List<IscsiExport> exports = admin().exports();
            print(exports, text(exports));
        }

        private static String text(List<IscsiExport> exports) {
            if (exports.isEmpty()) {
                return "nothing is exported; see 'cistern iscsi export --help'";
            }
            Table table = new Table("VOLUME", "TARGET", "BLOCK", "CHAP", "INITIATORS", "PORTALS");
            for (IscsiExport e : exports) {
                String chap = e.chapUser();
                table.row(
                        e.volume(),
                        e.target(),
                        e.blockBytes(),
                        chap == null ? "-" : e.mutualUser() == null ? chap : chap + ", mutual",
                        e.initiators().isEmpty() ? "any" : String.join(", ", e.initiators()),
                        e.portals().stream()
                                .map(PortalInfo::address)
                                .collect(Collectors.joining(", ")));
            }
            return table.toString();
        }
    }

    @Command(
            name = "sessions",
            description = "Lists who is logged in over iSCSI, from where, to what, and how busy.",
            footer = {"", "Example:", "  cistern iscsi sessions"})
    static final class Sessions extends BaseCommand {
        @Override
        void execute() {
            List<Session> sessions = admin().sessions();
            print(sessions, text(sessions));
        }

        private static String text(List<Session> sessions) {
            if (sessions.isEmpty()) {
                return "nobody is logged in";
            }
            Table table =
                    new Table(
                            "NODE",
                            "VOLUME",
                            "INITIATOR",
                            "FROM",
                            "SINCE",
                            "COMMANDS",
                            "READ",
                            "WRITTEN");
            for (Session s : sessions) {
                table.row(
                        s.node(),
                        s.volume() == null ? "(discovery)" : s.volume(),
                        s.initiator(),
                        s.address(),
                        Instant.ofEpochMilli(s.sinceMillis()).truncatedTo(ChronoUnit.SECONDS),
                        s.commands(),
                        Size.format(s.readBytes()),
                        Size.format(s.writtenBytes()));
            }
            return table.toString();
        }
    }
}
