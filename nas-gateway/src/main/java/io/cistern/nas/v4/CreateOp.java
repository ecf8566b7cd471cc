package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileResults.Created;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.util.concurrent.CompletableFuture;

/// CREATE: everything but regular files (RFC 8881 section 18.4).
record CreateOp(
        int type, ByteString target, int major, int minor, ByteString name, Fattr4 attributes)
        implements Operation {
    private static final int BLOCK = 3;
    private static final int CHARACTER = 4;
    private static final int LINK = 5;
    private static final int MAX_TARGET_BYTES = 64 << 10;

    static CreateOp decode(XdrReader in) {
        int type = in.readInt();
        ByteString target = ByteString.EMPTY;
        int major = 0;
        int minor = 0;
        if (type == LINK) {
            target = ByteString.of(in.readOpaque(MAX_TARGET_BYTES, "symbolic link"));
        } else if (type == BLOCK || type == CHARACTER) {
            major = in.readInt();
            minor = in.readInt();
        }
        return new CreateOp(type, target, major, minor, Wire4.readName(in), Fattr4.read(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        FileType kind = AttributeTable.typeOf(type);
        if (kind == null || kind == FileType.REGULAR) {
            throw new NfsException(NfsStatus.BADTYPE, "made by OPEN, or not at all");
        }
        Access a = c.change();
        Wire4.checkName(name);
        Settings settings = Settings.decode(attributes, false);
        Created created = await(make(a, kind, c.once(a), settings.set()));
        Wire4.writeChange(out, created.directory());
        out.writeBitmap(settings.mask());
        c.setFile(a, created.file().id());
    }

    private CompletableFuture<Created> make(Access a, FileType kind, Call call, SetAttributes set) {
        return switch (kind) {
            case DIRECTORY -> a.files().mkdir(call, a.file(), name, set);
            case SYMLINK -> {
                if (target.isEmpty()) {
                    throw new NfsException(NfsStatus.INVAL, "an empty symbolic link");
                }
                yield a.files().symlink(call, a.file(), name, target, set);
            }
            default -> {
                a.checkMayMake(kind);
                yield a.files().mknod(call, a.file(), name, kind, major, minor, set);
            }
        };
    }

    @Override
    public int resultBytes() {
        return 40;
    }
}
