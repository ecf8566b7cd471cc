package io.cistern.server.local;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.config.Addresses;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;

/// Finds out, before anything starts, whether an address can be listened on.
final class PortCheck {
    private PortCheck() {}

    /// True where it can be listened on now.
    static boolean isFree(InetSocketAddress address) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(address);
            return true;
        } catch (IOException taken) {
            return false;
        }
    }

    /// @param use what for, as "the API of node n0"
    /// @param remedy what to do where it is taken
    /// @throws CisternException BUSY, naming the port
    static void free(InetSocketAddress address, String use, String remedy) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(address);
        } catch (IOException e) {
            throw new CisternException(
                    ErrorCode.BUSY,
                    "port "
                            + Addresses.format(address)
                            + ", for "
                            + use
                            + ", is taken by another program: "
                            + remedy,
                    e);
        }
    }
}
