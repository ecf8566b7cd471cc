/// Virtual disks for QEMU: NBD on a Unix socket.
@NullMarked
package io.cistern.vmdisk;

import org.jspecify.annotations.NullMarked;
