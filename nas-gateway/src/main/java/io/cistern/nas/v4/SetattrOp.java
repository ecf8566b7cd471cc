package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Call;
import io.cistern.nas.share.Access;
import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;

/// SETATTR (RFC 8881 section 18.30).
record SetattrOp(StateId id, Fattr4 attributes) implements Operation {
    static SetattrOp decode(XdrReader in) {
        return new SetattrOp(Wire4.readStateId(in), Fattr4.read(in));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        Access a = c.change();
        Settings settings = Settings.decode(attributes, false);
        if (settings.set().size() != null && !c.madeBefore(a, c.next(a, 0))) {
            a = c.io(a, id, true);
        }
        Access file = a;
        Call call = c.once(a);
        c.changing(
                a,
                call,
                () -> await(file.files().setAttributes(call, file.file(), settings.set(), null)));
        out.writeBitmap(settings.mask());
    }

    @Override
    public void failure(Compound c, int status, RuntimeException failure, XdrWriter out) {
        out.writeInt(0); // attrsset: none
    }

    @Override
    public int resultBytes() {
        return 16;
    }
}
