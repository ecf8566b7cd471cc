/// What file systems are tested with.
@NullMarked
package io.cistern.block.fs.testing;

import org.jspecify.annotations.NullMarked;
