/// The framed, bounded, pipelined RPC between nodes, and its TLS.
@NullMarked
package io.cistern.raft.net;

import org.jspecify.annotations.NullMarked;
