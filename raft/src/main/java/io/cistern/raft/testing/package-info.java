/// Stand-ins for replication groups, for tests of what is built on them.
@NullMarked
package io.cistern.raft.testing;

import org.jspecify.annotations.NullMarked;
