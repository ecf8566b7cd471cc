package io.cistern.volume.image;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/// Image formats that are known by their first bytes and not read. Taken for a raw disk, such a
/// file makes a volume that nothing boots from.
final class ForeignFormats {
    /// @param offset where `magic` stands
    private record Format(String name, long offset, byte[] magic) {
        Format(String name, long offset, String magic) {
            this(name, offset, magic.getBytes(StandardCharsets.ISO_8859_1));
        }
    }

    private static final List<Format> FORMATS =
            List.of(
                    new Format("VMDK", 0, "KDMV"),
                    new Format("VMDK", 0, "COWD"),
                    new Format("VMDK", 0, "# Disk DescriptorFile"),
                    new Format("VHDX", 0, "vhdxfile"),
                    new Format("VHD", 0, "conectix"),
                    new Format("VDI", 0x40, "\u007f\u0010\u00da\u00be"),
                    new Format("QED", 0, "QED\0"),
                    new Format("Parallels", 0, "WithoutFreeSpace"));

    private ForeignFormats() {}

    /// @throws CisternException INVALID where the file is of such a format
    static void refuse(ImageFile file) {
        for (Format format : FORMATS) {
            int length = format.magic.length;
            if (file.length() >= format.offset + length
                    && Arrays.equals(bytes(file, format.offset, length), format.magic)) {
                throw new CisternException(
                        ErrorCode.INVALID,
                        file.path()
                                + " is a "
                                + format.name
                                + " image, which cannot be imported; convert it first: qemu-img convert -O qcow2 "
                                + file.path()
                                + " NEW (--format raw takes the file as the disk itself)");
            }
        }
    }

    private static byte[] bytes(ImageFile file, long offset, int length) {
        ByteBuffer read = file.read(offset, length);
        byte[] bytes = new byte[length];
        read.get(bytes);
        return bytes;
    }
}
