/// What outlives an NFS server in the shares themselves, and files without a name that are open.
@NullMarked
package io.cistern.nas.recovery;

import org.jspecify.annotations.NullMarked;
