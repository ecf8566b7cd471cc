package io.cistern.iscsi.login;

import io.cistern.iscsi.TargetCatalog.AccessRules;
import org.jspecify.annotations.Nullable;

/// Who has logged in, to what, and how.
///
/// @param initiatorName normalised
/// @param initiatorAlias as declared, empty if not
/// @param isid 48 bits
/// @param targetName empty for a discovery session
/// @param access the rules by which the initiator was let in; null for a discovery session
public record LoginResult(
        String initiatorName,
        String initiatorAlias,
        long isid,
        int cid,
        String targetName,
        @Nullable AccessRules access,
        Parameters parameters) {
    public boolean discovery() {
        return targetName.isEmpty();
    }
}
