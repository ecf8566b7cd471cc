/// The MOUNT protocol, version 3 (RFC 1813 appendix I).
@NullMarked
package io.cistern.nas.mount;

import org.jspecify.annotations.NullMarked;
