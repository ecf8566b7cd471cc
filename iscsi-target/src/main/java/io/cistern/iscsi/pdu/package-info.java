/// The PDUs of iSCSI (RFC 7143 section 11): one record each, and the codecs between them and bytes.
@NullMarked
package io.cistern.iscsi.pdu;

import org.jspecify.annotations.NullMarked;
