package io.cistern.nas.share;

/// What clients of a range of addresses may do with a share.
///
/// @param readOnly nothing may be changed
/// @param rootSquash user 0 is taken for nobody
/// @param allSquash every user is taken for nobody
/// @param tlsRequired only over TLS (RFC 9289)
/// @param privilegedPort only from ports below 1024
public record ClientRule(
        Cidr clients,
        boolean readOnly,
        boolean rootSquash,
        boolean allSquash,
        boolean tlsRequired,
        boolean privilegedPort) {

    /// A range with the usual rules: root squash, no TLS asked.
    public static ClientRule of(Cidr clients, boolean readOnly) {
        return new ClientRule(clients, readOnly, true, false, false, false);
    }
}
