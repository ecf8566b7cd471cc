package io.cistern.raft;

import io.cistern.raft.ratis.Witnesses;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.thirdparty.com.google.protobuf.UnsafeByteOperations;

/// What the transport asks about witnesses: [Peer] knows them by their ids, [RaftEntry] what they
/// keep.
final class EntryHeaders implements Witnesses {
    @Override
    public boolean isWitness(String peerId) {
        return Peer.isWitness(peerId);
    }

    @Override
    public ByteString header(ByteString content) {
        return UnsafeByteOperations.unsafeWrap(RaftEntry.header(content.asReadOnlyByteBuffer()));
    }
}
