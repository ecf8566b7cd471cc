package io.cistern.server.cli;

import io.cistern.volume.ClusterStatus.DiskInfo;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "disk",
        description = "Lists, adds and removes disks.",
        subcommands = {
            DiskCommands.ListAll.class,
            DiskCommands.Add.class,
            DiskCommands.Remove.class,
        },
        footer = {"", "Example:", "  cistern disk list"})
final class DiskCommands extends BaseCommand.Group {

    @Command(
            name = "list",
            description = "Lists all disks.",
            footer = {"", "Example:", "  cistern disk list"})
    static final class ListAll extends BaseCommand {
        @Override
        void execute() {
            List<DiskInfo> disks = admin().disks();
            print(disks, Texts.disks(disks));
        }
    }

    @Command(
            name = "add",
            description = {
                "Gives a directory of a node to the pool. A device cannot be given by itself: make a file system",
                "on it and give a directory of that."
            },
            footer = {"", "Example:", "  cistern disk add n1 /srv/disk2 --size 500GiB"})
    static final class Add extends BaseCommand {
        @Parameters(index = "0", paramLabel = "NODE")
        private @Nullable String node;

        @Parameters(index = "1", paramLabel = "PATH", description = "On that node; empty or absent")
        private @Nullable String path;

        @Option(
                names = "--size",
                paramLabel = "SIZE",
                converter = Converters.Bytes.class,
                description = "Most bytes of data; default what the file system has")
        private @Nullable Long size;

        @Override
        void execute() {
            String where = given(path);
            if (!where.startsWith("/")) {
                throw wrong("PATH must begin with '/': it is a path on node " + node);
            }
            DiskInfo d = admin().addDisk(given(node), where, size == null ? 0 : size);
            print(d, "added disk " + d.id() + " at " + d.path());
        }
    }

    @Command(
            name = "remove",
            description = "Moves what a disk holds elsewhere, then forgets the disk.",
            footer = {"", "Example:", "  cistern disk remove n1/1"})
    static final class Remove extends BaseCommand {
        @Parameters(paramLabel = "DISK")
        private @Nullable String disk;

        @Option(names = "--wait", description = "Returns only when it is removed")
        private boolean await;

        @Override
        void execute() {
            String id = given(disk);
            if (!id.matches("[^/]+/[0-9]{1,9}")) {
                throw wrong(
                        "'"
                                + id
                                + "' is not a disk: write NODE/NUMBER, as 'cistern disk list' shows it");
            }
            boolean done = admin().removeDisk(id);
            while (!done && await) {
                done = admin().disks().stream().noneMatch(d -> d.id().equals(id));
                LocalCommands.pause();
            }
            print(
                    Map.of(done ? "removed" : "emptying", id),
                    done
                            ? "removed disk " + id
                            : "emptying disk "
                                    + id
                                    + ", then it is removed; 'cistern status' shows how far it is");
        }
    }
}
