/// Puts a node's iSCSI portal together.
@NullMarked
package io.cistern.server.iscsi;

import org.jspecify.annotations.NullMarked;
