/// Benchmarks of what is not public in this package.
@NullMarked
package io.cistern.vmdisk;

import org.jspecify.annotations.NullMarked;
