package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.net.InetSocketAddress;

/// `host:port` texts, with IPv6 addresses in brackets.
final class Addresses {
    private Addresses() {}

    static String text(InetSocketAddress address) {
        String host = address.getHostString();
        return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + address.getPort();
    }

    /// @throws CisternException INVALID
    static InetSocketAddress parse(String text) {
        int colon = text.lastIndexOf(':');
        try {
            int port = Integer.parseInt(text.substring(colon + 1));
            String host = text.substring(0, Math.max(0, colon));
            if (!host.isEmpty() && port >= 0 && port <= 65535) {
                boolean brackets = host.startsWith("[") && host.endsWith("]");
                return new InetSocketAddress(
                        brackets ? host.substring(1, host.length() - 1) : host, port);
            }
        } catch (NumberFormatException e) {
            throw new CisternException(ErrorCode.INVALID, "'" + text + "' is not host:port", e);
        }
        throw new CisternException(ErrorCode.INVALID, "'" + text + "' is not host:port");
    }
}
