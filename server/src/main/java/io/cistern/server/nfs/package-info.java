/// The NFS server of a node.
@NullMarked
package io.cistern.server.nfs;

import org.jspecify.annotations.NullMarked;
