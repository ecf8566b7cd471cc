/// The words of the system: block devices, ids, sizes, errors and checksums. No third-party code.
@NullMarked
package io.cistern.block;

import org.jspecify.annotations.NullMarked;
