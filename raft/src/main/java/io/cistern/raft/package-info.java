/// Replication groups: Raft logs, leadership, leases. The only importer of Apache Ratis.
@NullMarked
package io.cistern.raft;

import org.jspecify.annotations.NullMarked;
