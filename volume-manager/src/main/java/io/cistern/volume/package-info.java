/// The cluster: system group, placement, volumes, snapshots, attachments, the volume client.
@NullMarked
package io.cistern.volume;

import org.jspecify.annotations.NullMarked;
