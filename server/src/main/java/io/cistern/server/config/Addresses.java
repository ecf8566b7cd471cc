package io.cistern.server.config;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/// `HOST:PORT`, with an IPv6 host in brackets.
public final class Addresses {
    private Addresses() {}

    /// @throws CisternException INVALID where the text is not `HOST:PORT` or the host has no
    ///   address
    public static InetSocketAddress parse(String text) {
        int colon = text.lastIndexOf(':');
        if (colon > 0) {
            String host = text.substring(0, colon);
            if (host.startsWith("[") && host.endsWith("]")) {
                host = host.substring(1, host.length() - 1);
            } else if (host.indexOf(':') >= 0) {
                throw invalid(text, "puts no brackets around its IPv6 host");
            }
            int port = port(text.substring(colon + 1));
            if (port >= 0) {
                InetSocketAddress address = new InetSocketAddress(host, port);
                if (address.isUnresolved()) {
                    throw invalid(text, "names a host that has no address");
                }
                return address;
            }
        }
        throw invalid(text, "is not an address");
    }

    /// As [#parse] takes it.
    public static String format(InetSocketAddress address) {
        InetAddress ip = address.getAddress();
        String host = ip == null ? address.getHostString() : ip.getHostAddress();
        return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + address.getPort();
    }

    private static int port(String text) {
        if (text.isEmpty() || text.length() > 5 || !text.chars().allMatch(Character::isDigit)) {
            return -1;
        }
        int port = Integer.parseInt(text);
        return port <= 65535 ? port : -1;
    }

    private static CisternException invalid(String text, String why) {
        return new CisternException(
                ErrorCode.INVALID, "'" + text + "' " + why + "; write for example 127.0.0.1:7480");
    }
}
