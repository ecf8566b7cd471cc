package io.cistern.vmdisk;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import jnr.unixsocket.UnixSocketChannel;
import jnr.unixsocket.UnixSocketOptions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The process at the other end of a connection, as the kernel names it.
///
/// @param pid 0 where unknown
/// @param command its name, for people; empty where unknown
/// @param reconnects true where it is a QEMU whose command line sets a `reconnect-delay`: it takes
///   a closed connection as a pause
public record Peer(int pid, String command, boolean reconnects) {
    private static final Logger LOG = LoggerFactory.getLogger(Peer.class);
    private static final Pattern DELAY = Pattern.compile("reconnect-delay[\"=: ]+0*[1-9]");

    static Peer of(UnixSocketChannel channel) {
        try {
            return of(channel.getOption(UnixSocketOptions.SO_PEERCRED).getPid());
        } catch (IOException e) {
            LOG.debug("cannot tell who is connected", e);
            return new Peer(0, "", false);
        }
    }

    static Peer of(int pid) {
        try {
            Path proc = Path.of("/proc", Integer.toString(pid));
            String command = Files.readString(proc.resolve("comm")).strip();
            String line =
                    new String(Files.readAllBytes(proc.resolve("cmdline")), StandardCharsets.UTF_8);
            return new Peer(pid, command, isReconnecting(command, line));
        } catch (IOException e) {
            LOG.debug("cannot tell what process {} is", pid, e);
            return new Peer(pid, "", false);
        }
    }

    static boolean isReconnecting(String command, String commandLine) {
        return command.startsWith("qemu-") && DELAY.matcher(commandLine).find();
    }

    @Override
    public String toString() {
        return command.isEmpty() ? "process " + pid : command + " (process " + pid + ")";
    }
}
