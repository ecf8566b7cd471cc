/// Disk images: raw and qcow2.
@NullMarked
package io.cistern.volume.image;

import org.jspecify.annotations.NullMarked;
