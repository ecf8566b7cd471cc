/// A node's assembly: its disks, replicas, caretaker, and the leader's work for the cluster.
@NullMarked
package io.cistern.volume.node;

import org.jspecify.annotations.NullMarked;
