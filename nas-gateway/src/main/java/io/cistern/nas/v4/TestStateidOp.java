package io.cistern.nas.v4;

import io.cistern.nas.state.StateId;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import java.util.List;

/// TEST_STATEID (RFC 8881 section 18.48).
record TestStateidOp(List<StateId> ids) implements Operation {
    private static final int MAX_IDS = 1_024;

    static TestStateidOp decode(XdrReader in) {
        return new TestStateidOp(in.readList(MAX_IDS, "stateids", Wire4::readStateId));
    }

    @Override
    public void execute(Compound c, XdrWriter out) {
        out.writeInt(ids.size());
        for (StateId id : ids) {
            out.writeInt(c.state().test(id, c.client()));
        }
    }
}
