/// What the cluster exports, as targets of this node's portal.
@NullMarked
package io.cistern.iscsi.cluster;

import org.jspecify.annotations.NullMarked;
