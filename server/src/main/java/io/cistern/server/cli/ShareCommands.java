package io.cistern.server.cli;

import io.cistern.block.Size;
import io.cistern.volume.ClusterStatus.NodeInfo;
import io.cistern.volume.ClusterStatus.NodeState;
import io.cistern.volume.ShareInfo;
import io.cistern.volume.ShareRule;
import io.cistern.volume.ShareUse;
import io.cistern.volume.SnapshotName;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "share",
        description = "Creates, shows, changes, snapshots, clones and deletes NFS shares.",
        subcommands = {
            ShareCommands.Create.class,
            ShareCommands.ListAll.class,
            ShareCommands.Show.class,
            ShareCommands.Clients.class,
            ShareCommands.Locks.class,
            ShareCommands.SetShare.class,
            ShareCommands.Snapshot.class,
            ShareCommands.DeleteSnapshot.class,
            ShareCommands.CloneShare.class,
            ShareCommands.Delete.class,
        },
        footer = {"", "Example:", "  cistern share create docs --quota 100GiB --allow 10.0.0.0/8"})
final class ShareCommands extends BaseCommand.Group {

    /// What a share allows.
    static final class Options {
        @Option(
                names = "--quota",
                paramLabel = "SIZE",
                converter = Converters.Bytes.class,
                description = "Most bytes it may hold; 0 for any")
        private @Nullable Long quota;

        @Option(
                names = "--allow",
                paramLabel = "CIDR[:FLAGS]",
                converter = Converters.Rule.class,
                description =
                        "Clients that may use it; may be repeated, the first that matches decides."
                                + " Flags, with commas: ro, no_root_squash, all_squash, tls, privileged_port")
        private @Nullable List<ShareRule> allow;
    }

    @Command(
            name = "create",
            description =
                    "Creates an empty share. Without --allow only clients on the nodes themselves may"
                            + " use it.",
            footer = {
                "",
                "Example:",
                "  cistern share create docs --quota 100GiB --allow 10.0.0.0/8 --allow 0.0.0.0/0:ro"
            })
    static final class Create extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @picocli.CommandLine.Mixin private Options options = new Options();

        @Override
        void execute() {
            Long quota = options.quota;
            List<ShareRule> allow = options.allow;
            ShareInfo share =
                    admin().shares()
                            .create(
                                    given(name),
                                    quota == null ? 0 : quota,
                                    allow == null ? List.of() : allow);
            String mounts = mounts(share.name());
            String who =
                    allow == null
                            ? "\nonly clients on the nodes themselves may use it: allow others by --allow"
                            : "";
            print(share, "created share " + share.name() + mounts + who);
        }

        /// How to mount it from each node that is up.
        private String mounts(String share) {
            StringBuilder lines = new StringBuilder();
            for (NodeInfo node : admin().nodes()) {
                String at = node.nfs();
                if (node.state() == NodeState.UP && at != null) {
                    int colon = at.lastIndexOf(':');
                    lines.append("\n  mount -t nfs -o vers=4.2,port=")
                            .append(at.substring(colon + 1))
                            .append(' ')
                            .append(at, 0, colon)
                            .append(":/")
                            .append(share)
                            .append(" DIRECTORY");
                }
            }
            return lines.toString();
        }
    }

    @Command(
            name = "list",
            description = "Lists all shares.",
            footer = {"", "Example:", "  cistern share list -o json"})
    static final class ListAll extends BaseCommand {
        @Override
        void execute() {
            List<ShareInfo> shares = admin().shares().list();
            print(shares, table(shares));
        }
    }

    private static String table(List<ShareInfo> shares) {
        Table table = new Table("NAME", "QUOTA", "USED", "FILES", "GROUP", "STATE", "ALLOW");
        for (ShareInfo s : shares) {
            table.row(
                    s.name(),
                    s.quotaBytes() == 0 ? null : Size.format(s.quotaBytes()),
                    s.usedBytes() < 0 ? null : Size.format(s.usedBytes()),
                    s.files() < 0 ? null : s.files(),
                    s.group(),
                    Texts.word(s.state()),
                    String.join(" ", s.rules()));
        }
        return table.toString();
    }

    @Command(
            name = "show",
            description = "Shows one share, with its snapshots and who serves it.",
            footer = {"", "Example:", "  cistern share show docs"})
    static final class Show extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @Override
        void execute() {
            ShareInfo s = admin().shares().show(given(name));
            String snapshots = s.snapshots().isEmpty() ? "-" : String.join(" ", s.snapshots());
            String owner = s.owner() == null ? "nobody" : s.owner();
            print(
                    s,
                    table(List.of(s)) + "snapshots: " + snapshots + "\nserved by: " + owner + "\n");
        }
    }

    @Command(
            name = "clients",
            description = "Lists who uses a share over NFS, from where, and how busy they are.",
            footer = {"", "Example:", "  cistern share clients docs"})
    static final class Clients extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @Override
        void execute() {
            List<ShareUse.Client> clients = admin().shares().use(given(name)).clients();
            print(clients, text(clients));
        }

        private static String text(List<ShareUse.Client> clients) {
            if (clients.isEmpty()) {
                return "nobody uses the share";
            }
            Table table =
                    new Table(
                            "NODE",
                            "CLIENT",
                            "FROM",
                            "STATE",
                            "OPENS",
                            "LOCKS",
                            "DELEGATIONS",
                            "REQUESTS/S",
                            "READ/S",
                            "WRITTEN/S");
            for (ShareUse.Client c : clients) {
                table.row(
                        c.node(),
                        c.client(),
                        c.address(),
                        c.expired() ? "silent" : "active",
                        c.opens(),
                        c.locks(),
                        c.delegations(),
                        Math.round(c.requestsPerSecond()),
                        Size.format(Math.round(c.readBytesPerSecond())),
                        Size.format(Math.round(c.writtenBytesPerSecond())));
            }
            return table.toString();
        }
    }

    @Command(
            name = "locks",
            description =
                    "Lists the byte ranges of a share's files that NFSv4 clients have locked.",
            footer = {"", "Example:", "  cistern share locks docs"})
    static final class Locks extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @Override
        void execute() {
            List<ShareUse.Lock> locks = admin().shares().use(given(name)).locks();
            print(locks, text(locks));
        }

        private static String text(List<ShareUse.Lock> locks) {
            if (locks.isEmpty()) {
                return "nothing is locked";
            }
            Table table = new Table("NODE", "INODE", "CLIENT", "FIRST", "LAST", "KIND");
            for (ShareUse.Lock l : locks) {
                table.row(
                        l.node(),
                        l.inode(),
                        l.client(),
                        Long.toUnsignedString(l.first()),
                        l.last() == -1 ? "end" : Long.toUnsignedString(l.last()),
                        l.exclusive() ? "write" : "read");
            }
            return table.toString();
        }
    }

    @Command(
            name = "set",
            description = "Sets a share's quota or client rules; what is not given stays.",
            footer = {"", "Example:", "  cistern share set docs --allow 10.1.0.0/16:ro"})
    static final class SetShare extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @picocli.CommandLine.Mixin private Options options = new Options();

        @Override
        void execute() {
            if (options.quota == null && options.allow == null) {
                throw wrong("give --quota or --allow");
            }
            ShareInfo share = admin().shares().configure(given(name), options.quota, options.allow);
            print(share, "changed share " + share.name());
        }
    }

    @Command(
            name = "snapshot",
            description = "Freezes a share under a name: seen as .snapshot/SNAP in it.",
            footer = {"", "Example:", "  cistern share snapshot docs@monday"})
    static final class Snapshot extends BaseCommand {
        @Parameters(paramLabel = "NAME@SNAP", converter = Converters.Snapshot.class)
        private @Nullable SnapshotName name;

        @Override
        void execute() {
            SnapshotName snapshot = given(name);
            ShareInfo share = admin().shares().snapshot(snapshot);
            print(share, "created snapshot " + snapshot);
        }
    }

    @Command(
            name = "delete-snapshot",
            description = "Deletes a snapshot of a share. Its space is freed in the background.",
            footer = {"", "Example:", "  cistern share delete-snapshot docs@monday"})
    static final class DeleteSnapshot extends BaseCommand {
        @Parameters(paramLabel = "NAME@SNAP", converter = Converters.Snapshot.class)
        private @Nullable SnapshotName name;

        @Override
        void execute() {
            SnapshotName snapshot = given(name);
            admin().shares().deleteSnapshot(snapshot);
            print(Map.of("deleted", snapshot.toString()), "deleted snapshot " + snapshot);
        }
    }

    @Command(
            name = "clone",
            description = "Makes a share of a snapshot; it shares what it does not change.",
            footer = {"", "Example:", "  cistern share clone docs@monday docs-old"})
    static final class CloneShare extends BaseCommand {
        @Parameters(index = "0", paramLabel = "NAME@SNAP", converter = Converters.Snapshot.class)
        private @Nullable SnapshotName name;

        @Parameters(index = "1", paramLabel = "NEW")
        private @Nullable String newName;

        @Override
        void execute() {
            SnapshotName snapshot = given(name);
            ShareInfo share = admin().shares().cloneShare(snapshot, given(newName));
            print(share, "created share " + share.name() + " from " + snapshot);
        }
    }

    @Command(
            name = "delete",
            description = "Deletes a share and its snapshots.",
            footer = {"", "Example:", "  cistern share delete docs"})
    static final class Delete extends BaseCommand {
        @Parameters(paramLabel = "NAME")
        private @Nullable String name;

        @Override
        void execute() {
            admin().shares().delete(given(name));
            print(Map.of("deleted", given(name)), "deleted share " + given(name));
        }
    }
}
