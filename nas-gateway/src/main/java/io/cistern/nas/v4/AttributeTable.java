package io.cistern.nas.v4;

import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrWriter;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/// The attributes that are offered (RFC 8881 chapter 5, RFC 7862 section 12.2, RFC 8276 section
/// 8.3): how each is written, and whether it can be set. In order of numbers, as they are sent.
enum AttributeTable {
    SUPPORTED_ATTRS(0, (s, o) -> o.writeBitmap(supported(s.minorVersion()))),
    TYPE(1, (s, o) -> o.writeInt(numberOf(s.attributes().type()))),
    FH_EXPIRE_TYPE(2, (s, o) -> o.writeInt(0)), // persistent
    CHANGE(3, (s, o) -> o.writeLong(s.attributes().change())),
    SIZE(4, true, (s, o) -> o.writeLong(s.attributes().size())),
    LINK_SUPPORT(5, (s, o) -> o.writeBool(true)),
    SYMLINK_SUPPORT(6, (s, o) -> o.writeBool(true)),
    NAMED_ATTR(7, (s, o) -> o.writeBool(false)),
    FSID(8, (s, o) -> o.writeLong(s.fsidMajor()).writeLong(s.fsidMinor())),
    UNIQUE_HANDLES(9, (s, o) -> o.writeBool(true)),
    LEASE_TIME(10, (s, o) -> o.writeInt(s.leaseSeconds())),
    RDATTR_ERROR(11, (s, o) -> o.writeInt(0)),
    ACLSUPPORT(13, (s, o) -> o.writeInt(0)),
    CANSETTIME(15, (s, o) -> o.writeBool(true)),
    CASE_INSENSITIVE(16, (s, o) -> o.writeBool(false)),
    CASE_PRESERVING(17, (s, o) -> o.writeBool(true)),
    CHOWN_RESTRICTED(18, (s, o) -> o.writeBool(true)),
    FILEHANDLE(19, (s, o) -> o.writeOpaque(s.handle())),
    FILEID(20, (s, o) -> o.writeLong(s.attributes().id().inode())),
    FILES_AVAIL(21, (s, o) -> o.writeLong(s.space().freeFiles())),
    FILES_FREE(22, (s, o) -> o.writeLong(s.space().freeFiles())),
    FILES_TOTAL(23, (s, o) -> o.writeLong(s.space().files() + s.space().freeFiles())),
    HOMOGENEOUS(26, (s, o) -> o.writeBool(true)),
    MAXFILESIZE(27, (s, o) -> o.writeLong(FileSystem.MAX_FILE_BYTES)),
    MAXLINK(28, (s, o) -> o.writeInt(FileSystem.MAX_LINKS)),
    MAXNAME(29, (s, o) -> o.writeInt(FileSystem.MAX_NAME_BYTES)),
    MAXREAD(30, (s, o) -> o.writeLong(FileSystem.MAX_IO_BYTES)),
    MAXWRITE(31, (s, o) -> o.writeLong(FileSystem.MAX_IO_BYTES)),
    MODE(33, true, (s, o) -> o.writeInt(s.attributes().mode())),
    NO_TRUNC(34, (s, o) -> o.writeBool(true)),
    NUMLINKS(35, (s, o) -> o.writeInt(s.attributes().links())),
    OWNER(36, true, (s, o) -> o.writeString(Integer.toUnsignedString(s.attributes().uid()))),
    OWNER_GROUP(37, true, (s, o) -> o.writeString(Integer.toUnsignedString(s.attributes().gid()))),
    RAWDEV(
            41,
            (s, o) ->
                    o.writeInt(s.attributes().deviceMajor())
                            .writeInt(s.attributes().deviceMinor())),
    SPACE_AVAIL(42, (s, o) -> o.writeLong(s.space().freeBytes())),
    SPACE_FREE(43, (s, o) -> o.writeLong(s.space().freeBytes())),
    SPACE_TOTAL(44, (s, o) -> o.writeLong(s.space().totalBytes())),
    SPACE_USED(45, (s, o) -> o.writeLong(s.attributes().usedBytes())),
    TIME_ACCESS(47, (s, o) -> Wire4.writeTime(o, s.attributes().atimeNanos())),
    TIME_ACCESS_SET(48, true, null),
    TIME_CREATE(50, (s, o) -> Wire4.writeTime(o, s.attributes().btimeNanos())),
    TIME_DELTA(51, (s, o) -> Wire4.writeTime(o, 1)),
    TIME_METADATA(52, (s, o) -> Wire4.writeTime(o, s.attributes().ctimeNanos())),
    TIME_MODIFY(53, (s, o) -> Wire4.writeTime(o, s.attributes().mtimeNanos())),
    TIME_MODIFY_SET(54, true, null),
    MOUNTED_ON_FILEID(55, (s, o) -> o.writeLong(s.mountedOn())),
    SUPPATTR_EXCLCREAT(75, (s, o) -> o.writeBitmap(exclusiveCreate())),
    CLONE_BLKSIZE(77, 2, (s, o) -> o.writeInt(4_096)),
    CHANGE_ATTR_TYPE(79, 2, (s, o) -> o.writeInt(0)), // NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR
    XATTR_SUPPORT(82, 2, (s, o) -> o.writeBool(!s.isRoot()));

    private static final AttributeTable[] BY_NUMBER = new AttributeTable[Fattr4.MAX_WORDS * 32];

    static {
        for (AttributeTable attribute : values()) {
            BY_NUMBER[attribute.number] = attribute;
        }
    }

    private final int number;
    private final int minorVersion;
    private final boolean settable;
    private final @Nullable BiConsumer<AttributeSource, XdrWriter> writer;

    AttributeTable(int number, BiConsumer<AttributeSource, XdrWriter> writer) {
        this(number, 1, false, writer);
    }

    AttributeTable(int number, int minorVersion, BiConsumer<AttributeSource, XdrWriter> writer) {
        this(number, minorVersion, false, writer);
    }

    AttributeTable(
            int number, boolean settable, @Nullable BiConsumer<AttributeSource, XdrWriter> writer) {
        this(number, 1, settable, writer);
    }

    AttributeTable(
            int number,
            int minorVersion,
            boolean settable,
            @Nullable BiConsumer<AttributeSource, XdrWriter> writer) {
        this.number = number;
        this.minorVersion = minorVersion;
        this.settable = settable;
        this.writer = writer;
    }

    int number() {
        return number;
    }

    boolean settable() {
        return settable;
    }

    /// Only to be set, such as time_access_set.
    boolean writeOnly() {
        return writer == null;
    }

    static @Nullable AttributeTable of(int number, int minorVersion) {
        AttributeTable found = number < BY_NUMBER.length ? BY_NUMBER[number] : null;
        return found != null && found.minorVersion <= minorVersion ? found : null;
    }

    static int[] supported(int minorVersion) {
        int[] mask = new int[Fattr4.MAX_WORDS];
        for (AttributeTable attribute : values()) {
            if (attribute.minorVersion <= minorVersion) {
                mask[attribute.number >>> 5] |= 1 << attribute.number;
            }
        }
        return mask;
    }

    /// What EXCLUSIVE4_1 may set: all that can be set.
    static int[] exclusiveCreate() {
        int[] mask = new int[Fattr4.MAX_WORDS];
        for (AttributeTable attribute : values()) {
            if (attribute.settable) {
                mask[attribute.number >>> 5] |= 1 << attribute.number;
            }
        }
        return mask;
    }

    /// Writes those of the asked attributes that are offered: the mask, then their values.
    ///
    /// @throws NfsException INVAL where one can only be set
    static void write(XdrWriter out, int[] asked, AttributeSource source) {
        int[] mask = supported(source.minorVersion());
        for (int i = 0; i < mask.length; i++) {
            mask[i] &= i < asked.length ? asked[i] : 0;
        }
        out.writeBitmap(mask);
        int begin = out.beginOpaque();
        for (AttributeTable attribute : values()) {
            if (Fattr4.has(mask, attribute.number)) {
                if (attribute.writer == null) {
                    throw new NfsException(NfsStatus.INVAL, "an attribute that can only be set");
                }
                attribute.writer.accept(source, out);
            }
        }
        out.endOpaque(begin);
    }

    static int numberOf(FileType type) {
        return switch (type) {
            case REGULAR -> 1;
            case DIRECTORY -> 2;
            case BLOCK_DEVICE -> 3;
            case CHARACTER_DEVICE -> 4;
            case SYMLINK -> 5;
            case SOCKET -> 6;
            case FIFO -> 7;
        };
    }

    static @Nullable FileType typeOf(int number) {
        for (FileType type : FileType.values()) {
            if (numberOf(type) == number) {
                return type;
            }
        }
        return null;
    }
}
