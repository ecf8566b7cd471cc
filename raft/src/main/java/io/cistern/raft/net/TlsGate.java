package io.cistern.raft.net;

import io.cistern.block.ErrorCode;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import java.util.List;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Stands before the TLS handler of a server and tells a peer that speaks without TLS why it is
/// refused, where that handler would just hang up. It names neither the cluster nor anything else
/// that a stranger has no business to know.
final class TlsGate extends ByteToMessageDecoder {
    private static final Logger LOG = LoggerFactory.getLogger(TlsGate.class);

    /// The content type of the record that a TLS client begins with (RFC 8446, section 5.1).
    private static final int HANDSHAKE = 22;

    private static final UUID NOBODY = new UUID(0, 0);

    private final RpcIdentity self;
    private boolean refused;

    TlsGate(RpcIdentity self) {
        this.self = self;
    }

    @Override
    protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) {
        if (refused) {
            in.skipBytes(in.readableBytes());
            return;
        }
        if (in.getUnsignedByte(in.readerIndex()) == HANDSHAKE) {
            ctx.pipeline().remove(this);
            return;
        }
        refused = true;
        in.skipBytes(in.readableBytes());
        LOG.warn("refused {}: it does not speak TLS", ctx.channel().remoteAddress());
        Frame.Hello why =
                new Frame.Hello(
                        Versions.CURRENT.field(),
                        self.service(),
                        ErrorCode.UNAUTHORIZED.wire(),
                        NOBODY,
                        "this cluster uses TLS; show a certificate of its authority (commands:"
                                + " CISTERN_TLS_CERTIFICATE, CISTERN_TLS_KEY and CISTERN_TLS_AUTHORITY;"
                                + " nodes: [tls] in the configuration)");
        ctx.writeAndFlush(why.encode(ctx.alloc())).addListener(ChannelFutureListener.CLOSE);
    }
}
