/// iSCSI targets over the volumes of a cluster (RFC 7143).
@NullMarked
package io.cistern.iscsi;

import org.jspecify.annotations.NullMarked;
