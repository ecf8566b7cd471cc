/// A group's replica on this node: state machine glue, the leader's work, catch-up, and the node
/// wire.
@NullMarked
package io.cistern.storage.group;

import org.jspecify.annotations.NullMarked;
