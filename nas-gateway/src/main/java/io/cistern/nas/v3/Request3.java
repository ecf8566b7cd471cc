package io.cistern.nas.v3;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.Call.OnceId;
import io.cistern.block.fs.FileResults.Changed;
import io.cistern.block.fs.WouldBlockException;
import io.cistern.nas.rpc.ReplyCache;
import io.cistern.nas.rpc.RpcCall;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.FileHandle;
import io.cistern.nas.share.Futures;
import io.cistern.nas.share.HandleCodec;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.share.OpenFiles;
import io.cistern.nas.share.Shares;
import io.cistern.nas.xdr.XdrReader;
import io.cistern.nas.xdr.XdrWriter;
import io.netty.buffer.ByteBufAllocator;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// One NFSv3 call on its way. One thread.
final class Request3 {
    /// Longer than any name that is allowed, so that a name too long gets its own status; a peer
    /// cannot make the server hold more than one record anyway.
    private static final int MAX_WIRE_NAME_BYTES = 4_096;

    private static final int ONCE_SLOTS = 64;

    private final Shares shares;
    private final OpenFiles openFiles;
    private final RpcCall call;
    private final XdrWriter out;
    private @Nullable Access used;

    Request3(Shares shares, OpenFiles openFiles, RpcCall call, XdrWriter out) {
        this.shares = shares;
        this.openFiles = openFiles;
        this.call = call;
        this.out = out;
    }

    byte[] readHandle(XdrReader in) {
        return in.readOpaque(HandleCodec.MAX_V3_BYTES, "file handle");
    }

    ByteString readName(XdrReader in) {
        return ByteString.of(in.readOpaque(MAX_WIRE_NAME_BYTES, "name"));
    }

    /// @throws NfsException BADHANDLE, STALE, ACCESS
    Access access(byte[] handle) {
        FileHandle decoded = shares.handles().decode(handle);
        if (!(decoded instanceof FileHandle.InShare file)) {
            throw new NfsException(NfsStatus.STALE, "the root above all shares is for NFSv4");
        }
        Access access = shares.access(file, call);
        used = access;
        return access;
    }

    byte[] encode(Access near, Attributes file) {
        return shares.handles()
                .encode(new FileHandle.InShare(near.share().entry().id(), file.id()));
    }

    ByteBufAllocator allocator() {
        return out.allocator();
    }

    OpenFiles openFiles() {
        return openFiles;
    }

    /// Makes a change of a file that NFSv4 clients may have a delegation of.
    <T> T changing(Access file, Supplier<T> action) {
        return openFiles.changing(file, OpenFiles.NO_CLIENT, change(file), action);
    }

    /// What goes with a change: a repetition of this call, even to another node, does not happen
    /// twice.
    Call change(Access access) {
        ReplyCache.Key key = ReplyCache.Key.of(call);
        long client = 1L << 63 | key.client().hashCode() & 0xffff_ffffL;
        return Call.of(
                access.who(), new OnceId(client, key.xid() & (ONCE_SLOTS - 1), key.checksum(), 0));
    }

    /// Runs `action` and writes its result after the status, or `failure` after the status that it
    /// failed with.
    ///
    /// @throws WouldBlockException where the call is carried out at once and that is not possible
    void answer(Supplier<Consumer<XdrWriter>> action, Consumer<XdrWriter> failure) {
        Consumer<XdrWriter> result;
        try {
            result = action.get();
        } catch (WouldBlockException e) {
            throw e;
        } catch (RuntimeException e) {
            if (used != null) {
                shares.failed(used.share(), e);
            }
            out.writeInt(NfsStatus.of(e, 3));
            failure.accept(out);
            return;
        }
        out.writeInt(NfsStatus.OK);
        result.accept(out);
    }

    /// post_op_attr of a file after a failure: best effort.
    Consumer<XdrWriter> postOp(byte[] handle) {
        return o -> {
            Access access = quietly(handle);
            Attributes now = access == null ? null : quietly(access);
            Attr3.writePostOp(o, access == null ? 0 : access.share().entry().id(), now);
        };
    }

    /// wcc_data of a file after a failure: best effort.
    Consumer<XdrWriter> wcc(byte[] handle) {
        return o -> {
            o.writeBool(false);
            postOp(handle).accept(o);
        };
    }

    private @Nullable Access quietly(byte[] handle) {
        try {
            return access(handle);
        } catch (WouldBlockException e) {
            throw e;
        } catch (RuntimeException e) {
            return null;
        }
    }

    static @Nullable Attributes quietly(Access access) {
        try {
            return Futures.await(access.files().attributes(access.file()));
        } catch (WouldBlockException e) {
            throw e;
        } catch (RuntimeException e) {
            return null;
        }
    }

    static void postOp(XdrWriter o, Access near, @Nullable Attributes a) {
        Attr3.writePostOp(o, near.share().entry().id(), a);
    }

    static void wcc(XdrWriter o, Access near, Changed changed) {
        Attr3.writeWcc(o, near.share().entry().id(), changed);
    }
}
