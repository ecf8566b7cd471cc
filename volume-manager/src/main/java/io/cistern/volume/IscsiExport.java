package io.cistern.volume;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A volume offered over iSCSI, for people: without secrets.
///
/// @param target its iSCSI name
/// @param initiators who may log in; empty: anyone
/// @param chapUser what initiators authenticate as, null where nothing is asked of them
/// @param mutualUser what the target authenticates as, null where it cannot
/// @param blockBytes size of a logical block, 512 or 4096
/// @param portals every node's advertised address
public record IscsiExport(
        String volume,
        String target,
        List<String> initiators,
        @Nullable String chapUser,
        @Nullable String mutualUser,
        int blockBytes,
        long createdMillis,
        List<PortalInfo> portals) {
    /// Beginning of every target's name; the volume's name follows.
    public static final String PREFIX = "iqn.2026-11.io.cistern:";

    /// What is asked for.
    public record Spec(
            String volume,
            List<String> initiators,
            @Nullable Chap chap,
            @Nullable Chap mutual,
            int blockBytes) {}

    /// A CHAP name and secret. Never printed.
    public record Chap(String user, String secret) {
        @Override
        public String toString() {
            return "Chap[" + user + "]";
        }
    }

    /// @param number its portal group tag
    /// @param address `host:port` as advertised
    public record PortalInfo(int number, String node, String address) {}

    /// Someone who is logged in.
    ///
    /// @param node the node whose portal it uses
    /// @param volume null for a discovery session
    /// @param address where it comes from
    /// @param readBytes since login; so are the other numbers
    public record Session(
            String node,
            @Nullable String volume,
            String initiator,
            String address,
            long sinceMillis,
            long commands,
            long readBytes,
            long writtenBytes) {}
}
