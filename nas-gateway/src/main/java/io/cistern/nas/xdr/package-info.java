/// External data representation (RFC 4506).
@NullMarked
package io.cistern.nas.xdr;

import org.jspecify.annotations.NullMarked;
