/// A vhost-user back end for block devices: virtio disks of QEMU's guests, served from their shared
/// memory.
///
/// Sources: the vhost-user protocol (QEMU, docs/interop/vhost-user.rst) and Virtual I/O Device
/// (VIRTIO) Version 1.2 of OASIS, sections 2.7 (split virtqueues) and 5.2 (block device). All
/// numbers in messages, rings and requests are little endian: the machines this runs on are.
@NullMarked
package io.cistern.vmdisk.vhost;

import org.jspecify.annotations.NullMarked;
