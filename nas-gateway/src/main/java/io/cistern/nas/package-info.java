/// An NFS server over the shares of a cluster: NFSv3 with MOUNT, NFSv4.1 and NFSv4.2.
@NullMarked
package io.cistern.nas;

import org.jspecify.annotations.NullMarked;
