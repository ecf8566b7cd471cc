package io.cistern.vmdisk;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Where sockets may be made.
public final class SocketPath {
    /// Longest socket path in bytes: what the kernel's address structure holds, less a NUL.
    public static final int MAX_BYTES = 107;

    private static final Logger LOG = LoggerFactory.getLogger(SocketPath.class);
    private static final int TYPE_MASK = 0170000;
    private static final int TYPE_SOCKET = 0140000;

    private SocketPath() {}

    /// Checks that a server could be opened there, and removes a socket file that nobody answers
    /// on.
    ///
    /// @throws CisternException BUSY where somebody answers there; INVALID where the path is too
    ///   long, relative, or something else than a socket; IO where it cannot be made
    public static void checkFree(Path socket) {
        checkPath(socket);
        removeStale(socket);
    }

    private static void checkPath(Path socket) {
        int bytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > MAX_BYTES) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "the socket path "
                            + socket
                            + " has "
                            + bytes
                            + " bytes; the system allows "
                            + MAX_BYTES
                            + ": choose a shorter one");
        }
        Path directory = socket.getParent();
        if (!socket.isAbsolute() || directory == null) {
            throw new CisternException(
                    ErrorCode.INVALID, "the socket path " + socket + " must be absolute");
        }
        if (!Files.isDirectory(directory)) {
            throw new CisternException(
                    ErrorCode.IO,
                    "cannot make the socket " + socket + ": there is no directory " + directory);
        }
    }

    private static void removeStale(Path socket) {
        if (!Files.exists(socket, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            int mode = (int) Files.getAttribute(socket, "unix:mode", LinkOption.NOFOLLOW_LINKS);
            if ((mode & TYPE_MASK) != TYPE_SOCKET) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        socket + " exists and is not a socket: choose another path");
            }
            if (answers(socket)) {
                throw new CisternException(
                        ErrorCode.BUSY,
                        "a server already answers on " + socket + ": choose another path");
            }
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.IO, "cannot replace the socket " + socket + ": " + e.getMessage(), e);
        }
    }

    private static boolean answers(Path socket) {
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return probe.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            LOG.debug("nobody answers on {}", socket, e);
            return false;
        }
    }
}
