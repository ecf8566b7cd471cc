/// NFS version 3 (RFC 1813).
@NullMarked
package io.cistern.nas.v3;

import org.jspecify.annotations.NullMarked;
