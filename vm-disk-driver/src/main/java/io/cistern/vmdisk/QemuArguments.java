package io.cistern.vmdisk;

import java.nio.file.Path;
import java.util.List;

/// QEMU's command line for a volume on a socket.
public final class QemuArguments {
    /// How long QEMU waits for the driver to come back before its guest sees an error, in seconds.
    /// Far above what a restart of the driver or a failover takes.
    public static final int RECONNECT_DELAY_S = 300;

    /// QEMU's limit for node names, in characters.
    private static final int MAX_NODE_NAME = 31;

    private static final String PREFIX = "cistern-";

    private QemuArguments() {}

    /// Rings, each served by a thread of the driver, of a disk on vhost-user.
    public static final int QUEUES = 2;

    /// How to give a guest the disk, as arguments to append, whatever the transport.
    ///
    /// @param volume the export's name
    public static List<String> of(
            Transport transport, String volume, Path socket, boolean readOnly) {
        return switch (transport) {
            case NBD -> of(volume, socket, readOnly);
            case VHOST_USER -> vhostUser(volume, socket);
        };
    }

    /// A virtio disk whose rings the driver serves from the guest's memory. The guest's memory must
    /// be shared, see [#SHARED_MEMORY].
    public static List<String> vhostUser(String volume, Path socket) {
        String node = nodeName(volume);
        return List.of(
                "-chardev",
                "socket,id=" + node + ",path=" + escape(socket.toString()) + ",reconnect=1",
                "-device",
                "vhost-user-blk-pci,chardev="
                        + node
                        + ",num-queues="
                        + QUEUES
                        + ",disable-legacy=on");
    }

    /// What a guest with a disk on vhost-user needs once, with its own memory size for `SIZE`:
    /// memory that can be shared and cannot shrink.
    public static final String SHARED_MEMORY =
            "-machine q35,memory-backend=mem -object"
                    + " memory-backend-memfd,id=mem,size=SIZE,share=on -m SIZE";

    /// A block node and a virtio disk on it, as arguments to append.
    ///
    /// The volume's 4 KiB blocks are told to the guest as the physical block size, so that it
    /// aligns its partitions; a guest's TRIM frees space.
    ///
    /// @param volume the export's name
    public static List<String> of(String volume, Path socket, boolean readOnly) {
        String node = nodeName(volume);
        return List.of(
                "-blockdev",
                "driver=nbd,node-name="
                        + node
                        + ",server.type=unix,server.path="
                        + escape(socket.toString())
                        + ",export="
                        + escape(volume)
                        + ",reconnect-delay="
                        + RECONNECT_DELAY_S
                        + ",discard=unmap"
                        + (readOnly ? ",read-only=on" : ""),
                "-device",
                "virtio-blk-pci,drive=" + node + ",physical_block_size=4096");
    }

    /// The arguments on one line, for a shell.
    public static String line(List<String> arguments) {
        StringBuilder line = new StringBuilder();
        for (String argument : arguments) {
            line.append(line.isEmpty() ? "" : " ").append(quote(argument));
        }
        return line.toString();
    }

    /// The name of the volume's block node in QEMU: at most 31 characters, so that long volume
    /// names are cut and told apart by a hash.
    public static String nodeName(String volume) {
        String name = PREFIX + volume.replace('@', '_');
        if (name.length() <= MAX_NODE_NAME) {
            return name;
        }
        String hash = String.format("%08x", volume.hashCode());
        return name.substring(0, MAX_NODE_NAME - 1 - hash.length()) + "-" + hash;
    }

    /// QEMU's option lists are separated by commas; one within a value is doubled.
    private static String escape(String value) {
        return value.replace(",", ",,");
    }

    private static String quote(String argument) {
        return argument.matches("[A-Za-z0-9@%+=:,./_-]+")
                ? argument
                : "'" + argument.replace("'", "'\\''") + "'";
    }
}
