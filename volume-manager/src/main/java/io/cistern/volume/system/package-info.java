/// The system group: the cluster's own metadata as a replicated, deterministic state machine.
@NullMarked
package io.cistern.volume.system;

import org.jspecify.annotations.NullMarked;
