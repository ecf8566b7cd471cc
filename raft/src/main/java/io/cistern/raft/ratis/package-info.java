/// Ratis over the framed RPC: an RPC type whose followers are fed by pipelined appends.
@NullMarked
package io.cistern.raft.ratis;

import org.jspecify.annotations.NullMarked;
