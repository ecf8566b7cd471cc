package io.cistern.nas.share;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.regex.Pattern;

/// A range of IP addresses: `10.0.0.0/8`, `fd00::/64`, or one address.
public record Cidr(InetAddress network, int prefixBits) {
    private static final Pattern NUMERIC = Pattern.compile("[0-9a-fA-F:.]+");

    public static final Cidr ANY_V4 = parse("0.0.0.0/0");
    public static final Cidr ANY_V6 = parse("::/0");

    /// @throws CisternException INVALID
    public static Cidr parse(String text) {
        int slash = text.indexOf('/');
        String address = slash < 0 ? text : text.substring(0, slash);
        if (!NUMERIC.matcher(address).matches()) {
            throw invalid(text);
        }
        try {
            InetAddress network = InetAddress.getByName(address);
            int most = network.getAddress().length * 8;
            int bits = slash < 0 ? most : Integer.parseInt(text.substring(slash + 1));
            if (bits < 0 || bits > most) {
                throw invalid(text);
            }
            return new Cidr(network, bits);
        } catch (UnknownHostException | NumberFormatException e) {
            throw invalid(text);
        }
    }

    private static CisternException invalid(String text) {
        return new CisternException(
                ErrorCode.INVALID,
                "'" + text + "' is not an address range; write it as 10.0.0.0/8 or fd00::/64");
    }

    public boolean contains(InetAddress address) {
        byte[] mine = network.getAddress();
        byte[] other = address.getAddress();
        if (mine.length != other.length) {
            return false;
        }
        int whole = prefixBits / 8;
        if (!Arrays.equals(mine, 0, whole, other, 0, whole)) {
            return false;
        }
        int rest = prefixBits % 8;
        return rest == 0 || ((mine[whole] ^ other[whole]) & 0xff) >> (8 - rest) == 0;
    }

    @Override
    public String toString() {
        return network.getHostAddress() + "/" + prefixBits;
    }
}
