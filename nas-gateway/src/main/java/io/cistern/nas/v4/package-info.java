/// NFS versions 4.1 (RFC 8881) and 4.2 (RFC 7862, with the extended attributes of RFC 8276):
/// COMPOUND, one class per operation, and the attributes.
@NullMarked
package io.cistern.nas.v4;

import org.jspecify.annotations.NullMarked;
