package io.cistern.iscsi.login;

import io.cistern.iscsi.TargetCatalog;
import java.util.Set;

/// What a login needs to know of the portal.
///
/// @param portalGroup tag of the portal group that the connection came in by
/// @param algorithms of CHAP that are allowed
/// @param maxTextBytes longest text that may be spread over several requests
public record LoginEnvironment(
        TargetCatalog catalog,
        int portalGroup,
        Offer offer,
        Set<ChapAlgorithm> algorithms,
        int maxTextBytes,
        Sessions sessions) {
    /// The sessions of the portal group.
    public interface Sessions {
        /// Whether a session with that TSIH exists between the two and has that ISID.
        boolean exists(int tsih, String initiatorName, long isid, String targetName);
    }
}
