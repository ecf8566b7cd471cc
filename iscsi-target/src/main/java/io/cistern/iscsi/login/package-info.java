/// The login phase (RFC 7143 sections 6, 12, 13): text keys, negotiation, CHAP. Knows nothing of
/// channels; each class is used by one thread at a time unless it says otherwise.
@NullMarked
package io.cistern.iscsi.login;

import org.jspecify.annotations.NullMarked;
