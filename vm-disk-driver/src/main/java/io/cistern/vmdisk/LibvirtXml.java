package io.cistern.vmdisk;

import java.nio.file.Path;
import java.util.List;

/// The libvirt domain's `<disk>` element for a volume on a socket.
///
/// The `<reconnect>` element needs a libvirt that knows it for NBD disks. Debian 12's, 9.0, does
/// not: it ignores or refuses the element, and its guests would see an error when the driver
/// restarts. There [#commandLine] passes QEMU's own arguments on, or vhost-user is used, whose
/// element it knows.
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

    /// QEMU's arguments as a part of a `<domain>`, for what a libvirt has no element for. The
    /// domain must name the namespace: `xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'`.
    public static String commandLine(List<String> arguments) {
        StringBuilder xml = new StringBuilder("<qemu:commandline>\n");
        for (String argument : arguments) {
            xml.append("  <qemu:arg value='").append(escape(argument)).append("'/>\n");
        }
        return xml.append("</qemu:commandline>\n").toString();
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
