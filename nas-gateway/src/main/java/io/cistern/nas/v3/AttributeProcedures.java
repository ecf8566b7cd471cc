package io.cistern.nas.v3;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.FileResults.Changed;
import io.cistern.block.fs.FileResults.Found;
import io.cistern.block.fs.FileResults.Rights;
import io.cistern.block.fs.SetAttributes;
import io.cistern.nas.share.Access;
import io.cistern.nas.xdr.XdrReader;

/// GETATTR, SETATTR, LOOKUP, ACCESS and READLINK (RFC 1813 sections 3.3.1 to 3.3.5).
final class AttributeProcedures {
    private static final int ACCESS_READ = 0x01;
    private static final int ACCESS_LOOKUP = 0x02;
    private static final int ACCESS_MODIFY = 0x04;
    private static final int ACCESS_EXTEND = 0x08;
    private static final int ACCESS_DELETE = 0x10;
    private static final int ACCESS_EXECUTE = 0x20;

    private AttributeProcedures() {}

    static void getattr(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    Attributes now = await(a.files().attributes(a.file()));
                    return o -> Attr3.write(o, a.share().entry().id(), now);
                },
                o -> {});
    }

    static void setattr(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        SetAttributes set = Attr3.readSet(in);
        Long guard = in.readBool() ? Attr3.readTime(in) : null;
        rq.answer(
                () -> {
                    Access a = rq.access(handle).forChange();
                    Changed changed =
                            rq.changing(
                                    a,
                                    () ->
                                            await(
                                                    a.files()
                                                            .setAttributes(
                                                                    rq.change(a),
                                                                    a.file(),
                                                                    set,
                                                                    guard)));
                    return o -> Request3.wcc(o, a, changed);
                },
                rq.wcc(handle));
    }

    static void lookup(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        ByteString name = rq.readName(in);
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    Found found = await(a.files().lookup(a.who(), a.file(), name));
                    return o -> {
                        o.writeOpaque(rq.encode(a, found.file()));
                        Request3.postOp(o, a, found.file());
                        Request3.postOp(o, a, found.directory());
                    };
                },
                rq.postOp(handle));
    }

    static void access(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        int asked = in.readInt();
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    Attributes now = await(a.files().attributes(a.file()));
                    Rights rights = await(a.files().access(a.who(), a.file()));
                    int granted = granted(rights, now.isDirectory(), a.readOnly());
                    return o -> {
                        Request3.postOp(o, a, now);
                        o.writeInt(asked & granted);
                    };
                },
                rq.postOp(handle));
    }

    private static int granted(Rights rights, boolean directory, boolean readOnly) {
        int granted = 0;
        if (rights.read()) {
            granted |= ACCESS_READ;
        }
        if (rights.write() && !readOnly) {
            granted |= ACCESS_MODIFY | ACCESS_EXTEND | (directory ? ACCESS_DELETE : 0);
        }
        if (rights.execute()) {
            granted |= directory ? ACCESS_LOOKUP : ACCESS_EXECUTE;
        }
        return granted;
    }

    static void readlink(Request3 rq, XdrReader in) {
        byte[] handle = rq.readHandle(in);
        rq.answer(
                () -> {
                    Access a = rq.access(handle);
                    ByteString text = await(a.files().readlink(a.file()));
                    Attributes now = Request3.quietly(a);
                    return o -> {
                        Request3.postOp(o, a, now);
                        o.writeOpaque(text.toByteArray());
                    };
                },
                rq.postOp(handle));
    }
}
