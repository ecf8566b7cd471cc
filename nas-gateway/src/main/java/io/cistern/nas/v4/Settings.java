package io.cistern.nas.v4;

import io.cistern.block.fs.SetAttributes;
import io.cistern.block.fs.SetAttributes.SetTime;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.Shares;
import io.cistern.nas.state.Status4;
import io.cistern.nas.xdr.XdrReader;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;

/// Attributes that a client wants set, decoded.
///
/// @param mask of those that are set: a time of creation is taken and left as it is, as RFC 8881
///   section 5.7 has it settable and clients send it along with others
record Settings(SetAttributes set, int[] mask) {
    private static final int MAX_OWNER_BYTES = 1_024;

    /// @param exclusive with EXCLUSIVE4_1
    /// @throws NfsException ATTRNOTSUPP, INVAL where it cannot be set, BADOWNER, BADXDR
    static Settings decode(Fattr4 attributes, boolean exclusive) {
        ByteBuf values = Unpooled.wrappedBuffer(attributes.values());
        XdrReader in = new XdrReader(values);
        SetAttributes set = SetAttributes.NONE;
        int[] mask = attributes.mask().clone();
        for (int number = 0; number < attributes.mask().length * 32; number++) {
            if (Fattr4.has(attributes.mask(), number)) {
                AttributeTable attribute = AttributeTable.of(number, 2);
                if (attribute == null) {
                    throw new NfsException(Status4.ATTRNOTSUPP, "attribute " + number);
                }
                if (attribute == AttributeTable.TIME_CREATE) {
                    Wire4.readTime(in);
                    mask[number >>> 5] &= ~(1 << number);
                    continue;
                }
                if (!attribute.settable()) {
                    throw new NfsException(NfsStatus.INVAL, attribute + " cannot be set");
                }
                set = with(set, attribute, in);
            }
        }
        in.expectEnd("attribute values");
        if (exclusive && set.size() != null && set.size() != 0) {
            throw new NfsException(NfsStatus.INVAL, "a new file is empty");
        }
        return new Settings(set, mask);
    }

    private static SetAttributes with(SetAttributes set, AttributeTable which, XdrReader in) {
        return switch (which) {
            case SIZE -> {
                long size = in.readLong();
                if (size < 0) {
                    throw new NfsException(NfsStatus.FBIG, "beyond the largest file");
                }
                yield set.withSize(size);
            }
            case MODE -> {
                int mode = in.readInt();
                if ((mode & ~07777) != 0) {
                    throw new NfsException(NfsStatus.INVAL, "undefined mode bits");
                }
                yield set.withMode(mode);
            }
            case OWNER -> set.withOwner(readOwner(in), set.gid());
            case OWNER_GROUP -> set.withOwner(set.uid(), readOwner(in));
            case TIME_ACCESS_SET -> set.withTimes(readSetTime(in), set.mtime());
            case TIME_MODIFY_SET -> set.withTimes(set.atime(), readSetTime(in));
            default -> throw new IllegalStateException(which + " has no decoder");
        };
    }

    private static SetTime readSetTime(XdrReader in) {
        return in.readEnum(1, "time_how4") == 1 ? SetTime.to(Wire4.readTime(in)) : SetTime.SERVER;
    }

    /// A number in decimal, as AUTH_SYS clients send (RFC 8881 section 5.9), or `root` or `nobody`.
    private static int readOwner(XdrReader in) {
        String text = in.readString(MAX_OWNER_BYTES, "owner");
        int at = text.indexOf('@');
        String name = at < 0 ? text : text.substring(0, at);
        if (name.equals("root")) {
            return 0;
        }
        if (name.equals("nobody") || name.equals("nogroup")) {
            return Shares.NOBODY;
        }
        try {
            if (text.isEmpty() || !Character.isDigit(text.charAt(0))) {
                throw new NumberFormatException();
            }
            return Integer.parseUnsignedInt(text);
        } catch (NumberFormatException e) {
            throw new NfsException(
                    text.isEmpty() ? NfsStatus.INVAL : Status4.BADOWNER, "not a number");
        }
    }
}
