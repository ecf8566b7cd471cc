package io.cistern.iscsi;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.iscsi.login.ChapAlgorithm;
import io.cistern.iscsi.login.Offer;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/// How a [Portal] serves.
///
/// @param listen addresses to listen on, at least one; port 0 takes a free one
/// @param portalGroup tag of this node's portal group, 1 to 65,535
/// @param chap allowed algorithms, in no order: the initiator's order decides
public record PortalConfig(
        List<InetSocketAddress> listen,
        int portalGroup,
        Offer offer,
        Set<ChapAlgorithm> chap,
        Limits limits,
        Timeouts timeouts) {
    /// SHA-1 and MD5 have to be switched on for initiators that know nothing better.
    public static final Set<ChapAlgorithm> STRONG_CHAP =
            Set.of(ChapAlgorithm.SHA3_256, ChapAlgorithm.SHA_256);

    /// Length of the longest data segment before the full feature phase (RFC 7143 13.12): 8,192
    /// bytes.
    public static final int MAX_LOGIN_SEGMENT_BYTES = 8_192;

    public PortalConfig {
        listen = List.copyOf(listen);
        chap = Set.copyOf(chap);
        if (listen.isEmpty()) {
            throw new CisternException(ErrorCode.INVALID, "an iSCSI portal needs an address");
        }
        if (portalGroup < 1 || portalGroup > 0xffff) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "portal group tag " + portalGroup + " is not from 1 to 65535");
        }
    }

    public static PortalConfig of(InetSocketAddress listen, int portalGroup) {
        return new PortalConfig(
                List.of(listen),
                portalGroup,
                Offer.DEFAULT,
                STRONG_CHAP,
                Limits.DEFAULT,
                Timeouts.DEFAULT);
    }

    /// What clients can make a portal hold.
    ///
    /// @param maxConnections further ones are closed at once
    /// @param maxLogins connections that have not logged in; a further one replaces the oldest
    /// @param maxSessionsPerInitiator by initiator name
    /// @param commandWindow commands under way in a session
    /// @param maxTextBytes longest text of a login or text negotiation
    /// @param memory of data under way
    public record Limits(
            int maxConnections,
            int maxLogins,
            int maxSessionsPerInitiator,
            int commandWindow,
            int maxTextBytes,
            Memory memory) {
        public static final Limits DEFAULT =
                new Limits(512, 128, 64, 128, 64 << 10, Memory.DEFAULT);
    }

    /// Bytes of data under way.
    ///
    /// @param sessionWrites of one session's writes, gathered and being executed
    /// @param portalWrites of all writes
    /// @param sessionReads of one session's reads, being executed and not taken by the initiator
    /// @param portalReads of all reads
    public record Memory(
            long sessionWrites, long portalWrites, long sessionReads, long portalReads) {
        public static final Memory DEFAULT =
                new Memory(64L << 20, 256L << 20, 64L << 20, 256L << 20);
    }

    /// @param login from connecting to the full feature phase
    /// @param pingAfter silence after which a NOP-In asks whether the initiator lives
    /// @param pingAnswer how long it may take to answer
    /// @param dataOut how long an initiator may take to go on with data it was asked for
    /// @param logout how long an initiator may take to log out when asked to
    public record Timeouts(
            Duration login,
            Duration pingAfter,
            Duration pingAnswer,
            Duration dataOut,
            Duration logout) {
        public static final Timeouts DEFAULT =
                new Timeouts(
                        Duration.ofSeconds(15),
                        Duration.ofSeconds(15),
                        Duration.ofSeconds(15),
                        Duration.ofSeconds(30),
                        Duration.ofSeconds(3));
    }
}
