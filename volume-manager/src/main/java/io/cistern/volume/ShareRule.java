package io.cistern.volume;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/// Which clients may use a share, and how. The first rule that matches a client's address decides;
/// a client that none matches is refused. Written `CIDR[:flag,flag…]`: `10.0.0.0/8`,
/// `192.168.1.7/32:ro`, `fd00::/8:ro,no_root_squash`.
///
/// @param cidr an address and the length of its prefix
/// @param readOnly flag `ro` (else `rw`)
/// @param rootSquash user 0 counts as nobody: flags `root_squash`, `no_root_squash`. Without either
///   it is on, but for clients on the node itself (loopback addresses): who is root there has the
///   node's disks anyway
/// @param allSquash every user counts as nobody: flag `all_squash`
/// @param tls only over TLS: flag `tls`
/// @param privilegedPort only from ports below 1024: flag `privileged_port`
public record ShareRule(
        String cidr,
        boolean readOnly,
        boolean rootSquash,
        boolean allSquash,
        boolean tls,
        boolean privilegedPort) {
    /// Most rules of a share.
    public static final int MAX_RULES = 256;

    /// Clients on the node itself: what a share begins with where nothing else is said.
    public static final List<ShareRule> LOCAL = List.of(parse("127.0.0.0/8"), parse("::1/128"));

    private static final class Literal {
        static final Pattern ADDRESS = Pattern.compile("[0-9a-fA-F:.]+");
    }

    public ShareRule {
        rootSquash |= allSquash;
    }

    /// @throws CisternException INVALID, saying what is wrong
    public static ShareRule parse(String text) {
        int slash = text.indexOf('/');
        int colon = slash < 0 ? -1 : text.indexOf(':', slash);
        if (slash < 0) {
            boolean v4 = text.indexOf('.') >= 0;
            colon = v4 ? text.indexOf(':') : -1;
        }
        String cidr = colon < 0 ? text : text.substring(0, colon);
        String range = checked(cidr, text);
        ShareRule rule = new ShareRule(range, false, !local(range), false, false, false);
        if (colon >= 0) {
            for (String flag : text.substring(colon + 1).split(",", -1)) {
                rule = rule.with(flag, text);
            }
        }
        return rule;
    }

    private ShareRule with(String flag, String text) {
        return switch (flag) {
            case "ro" -> new ShareRule(cidr, true, rootSquash, allSquash, tls, privilegedPort);
            case "rw" -> new ShareRule(cidr, false, rootSquash, allSquash, tls, privilegedPort);
            case "root_squash" ->
                    new ShareRule(cidr, readOnly, true, allSquash, tls, privilegedPort);
            case "no_root_squash" ->
                    new ShareRule(cidr, readOnly, false, allSquash, tls, privilegedPort);
            case "all_squash" -> new ShareRule(cidr, readOnly, true, true, tls, privilegedPort);
            case "tls" ->
                    new ShareRule(cidr, readOnly, rootSquash, allSquash, true, privilegedPort);
            case "privileged_port" ->
                    new ShareRule(cidr, readOnly, rootSquash, allSquash, tls, true);
            default ->
                    throw invalid(
                            text,
                            "'"
                                    + flag
                                    + "' is none of ro, rw, root_squash, no_root_squash, all_squash, tls, privileged_port");
        };
    }

    private static String checked(String cidr, String text) {
        int slash = cidr.indexOf('/');
        String address = slash < 0 ? cidr : cidr.substring(0, slash);
        int bits = bytes(address, text).length * 8;
        if (slash < 0) {
            return address + "/" + bits;
        }
        try {
            int length = Integer.parseInt(cidr.substring(slash + 1));
            if (length >= 0 && length <= bits) {
                return cidr;
            }
        } catch (NumberFormatException e) {
            throw invalid(text, "the length of the prefix is not a number");
        }
        throw invalid(text, "the length of the prefix is 0 to " + bits);
    }

    private static byte[] bytes(String address, String text) {
        // A name would be looked up.
        if (!Literal.ADDRESS.matcher(address).matches()) {
            throw invalid(text, "'" + address + "' is not an address");
        }
        try {
            return InetAddress.getByName(address).getAddress();
        } catch (UnknownHostException e) {
            throw invalid(text, "'" + address + "' is not an address");
        }
    }

    /// Whether the range holds loopback addresses only.
    private static boolean local(String cidr) {
        int slash = cidr.indexOf('/');
        byte[] address = bytes(cidr.substring(0, slash), cidr);
        int length = Integer.parseInt(cidr.substring(slash + 1));
        try {
            return InetAddress.getByAddress(address).isLoopbackAddress()
                    && (address.length == 4 ? length >= 8 : length == 128);
        } catch (UnknownHostException e) {
            throw new IllegalStateException(e); // of 4 or 16 bytes
        }
    }

    private static CisternException invalid(String text, String why) {
        return new CisternException(
                ErrorCode.INVALID,
                "'"
                        + text
                        + "' cannot be a client rule: "
                        + why
                        + "; write for example 10.0.0.0/8 or 192.168.1.0/24:ro");
    }

    /// Whether the rule is about a client.
    public boolean matches(InetAddress client) {
        int slash = cidr.indexOf('/');
        byte[] wanted = bytes(cidr.substring(0, slash), cidr);
        byte[] given = client.getAddress();
        int left = Integer.parseInt(cidr.substring(slash + 1));
        if (wanted.length != given.length) {
            return false;
        }
        for (int i = 0; left > 0; i++, left -= 8) {
            int mask = left >= 8 ? 0xff : 0xff << 8 - left & 0xff;
            if (((wanted[i] ^ given[i]) & mask) != 0) {
                return false;
            }
        }
        return true;
    }

    @Override
    public String toString() {
        List<String> flags = new ArrayList<>();
        if (readOnly) {
            flags.add("ro");
        }
        boolean local = local(cidr);
        if (!rootSquash && !local) {
            flags.add("no_root_squash");
        }
        if (rootSquash && local && !allSquash) {
            flags.add("root_squash");
        }
        if (allSquash) {
            flags.add("all_squash");
        }
        if (tls) {
            flags.add("tls");
        }
        if (privilegedPort) {
            flags.add("privileged_port");
        }
        return flags.isEmpty() ? cidr : cidr + ":" + String.join(",", flags);
    }
}
