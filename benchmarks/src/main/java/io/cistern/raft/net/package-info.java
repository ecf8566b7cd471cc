/// Benchmarks of what is not public in this package.
@NullMarked
package io.cistern.raft.net;

import org.jspecify.annotations.NullMarked;
