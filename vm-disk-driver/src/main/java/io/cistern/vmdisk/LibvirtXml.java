package io.cistern.vmdisk;

import java.nio.file.Path;

/// The libvirt domain's `<disk>` element for a volume on a socket.
///
/// The `<reconnect>` element needs a libvirt that knows it for NBD disks (from the end of 2022);
/// older ones ignore or refuse it, and their guests see an error when the driver restarts.
public final class LibvirtXml {
    private LibvirtXml() {}

    /// @param volume the export's name
    /// @param target the device's name in the guest's description, as `vda`
    public static String disk(
            String volume, Path socket, String target, boolean readOnly, boolean shared) {
        return """
        <disk type='network' device='disk'>
          <driver name='qemu' type='raw' discard='unmap'/>
          <source protocol='nbd' name='%s'>
            <host transport='unix' socket='%s'/>
            <reconnect delay='%d'/>
          </source>
          <target dev='%s' bus='virtio'/>
          <blockio physical_block_size='4096'/>
        %s%s</disk>
        """
                .formatted(
                        escape(volume),
                        escape(socket.toString()),
                        QemuArguments.RECONNECT_DELAY_S,
                        escape(target),
                        readOnly ? "  <readonly/>\n" : "",
                        shared ? "  <shareable/>\n" : "");
    }

    /// The `<disk>` element for a volume on a vhost-user socket. The domain needs shared memory:
    /// [#SHARED_MEMORY].
    public static String vhostUserDisk(Path socket, String target) {
        return """
        <disk type='vhostuser' device='disk'>
          <driver name='qemu' type='raw' queues='%d'/>
          <source type='unix' path='%s'>
            <reconnect enabled='yes' timeout='1'/>
          </source>
          <target dev='%s' bus='virtio'/>
        </disk>
        """
                .formatted(QemuArguments.QUEUES, escape(socket.toString()), escape(target));
    }

    /// What a domain with a disk on vhost-user needs once, beside its `<memory>`.
    public static final String SHARED_MEMORY =
            """
            <memoryBacking>
              <source type='memfd'/>
              <access mode='shared'/>
            </memoryBacking>
            """;

    private static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("'", "&apos;")
                .replace("\"", "&quot;");
    }
}
