package io.cistern.nas;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;

/// An NFSv4.1 client that can be called back; it answers while it waits for a reply of its own.
final class CallbackClient extends V4TestClient {
    static final int WANT_READ_DELEGATION = 0x100;
    private static final int CONN_BACK_CHAN = 2;

    /// Stateids that were recalled.
    final List<byte[]> recalled = new ArrayList<>();

    int probes;

    CallbackClient(InetSocketAddress address, String owner) {
        super(address, 1);
        start(owner, 1, CONN_BACK_CHAN);
        ok(op(RECLAIM_COMPLETE, o -> o.writeBool(false)));
    }

    @Override
    XdrReader receive() {
        while (true) {
            XdrReader message = super.receive();
            XdrReader peek = message.copy();
            int xid = peek.readInt();
            if (peek.readInt() != 0) {
                return message;
            }
            answer(xid, peek);
        }
    }

    private void answer(int xid, XdrReader call) {
        assertThat(call.readInt()).as("RPC version").isEqualTo(2);
        assertThat(call.readInt()).as("program").isEqualTo(0x4000_0000);
        assertThat(call.readInt()).as("version").isEqualTo(1);
        int procedure = call.readInt();
        for (int i = 0; i < 2; i++) {
            assertThat(call.readInt()).as("AUTH_NONE").isZero();
            assertThat(call.readInt()).isZero();
        }
        try (XdrWriter out = new XdrWriter(UnpooledByteBufAllocator.DEFAULT)) {
            out.writeInt(xid).writeInt(1).writeInt(0).writeInt(0).writeInt(0).writeInt(0);
            if (procedure == 0) {
                probes++;
            } else {
                compound(call, out);
            }
            ByteBuf bytes = out.take();
            sendRecord(ByteBufUtil.getBytes(bytes));
            bytes.release();
        }
    }

    private void compound(XdrReader call, XdrWriter out) {
        String tag = call.readString(100, "tag");
        assertThat(call.readInt()).as("minor version").isEqualTo(1);
        call.readInt();
        assertThat(call.readInt()).as("operations").isEqualTo(2);
        assertThat(call.readInt()).as("CB_SEQUENCE").isEqualTo(11);
        byte[] session = call.readFixed(16);
        int sequence = call.readInt();
        assertThat(sequence).isEqualTo(recalled.size() + 1);
        int slot = call.readInt();
        call.readInt();
        call.readBool();
        assertThat(call.readInt()).as("referring calls").isZero();
        assertThat(call.readInt()).as("CB_RECALL").isEqualTo(4);
        recalled.add(call.readFixed(16));
        call.readBool();
        assertThat(call.readOpaque(128, "handle")).isNotEmpty();
        call.expectEnd("CB_COMPOUND");
        out.writeInt(0).writeString(tag).writeInt(2);
        out.writeInt(11).writeInt(0).writeFixed(session).writeInt(sequence).writeInt(slot);
        out.writeInt(0).writeInt(0);
        out.writeInt(4).writeInt(0);
    }
}
