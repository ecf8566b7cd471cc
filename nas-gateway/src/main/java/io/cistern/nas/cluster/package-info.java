/// The shares of a cluster, as the NFS server sees them.
@NullMarked
package io.cistern.nas.cluster;

import org.jspecify.annotations.NullMarked;
