package io.cistern.storage.group;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.Peer;
import io.cistern.storage.CorruptBlocksException;
import io.cistern.storage.CorruptBlocksException.Corrupt;
import io.cistern.storage.GranuleData;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Mends damaged blocks of this replica from its peers.
///
/// Only a peer that has applied the row's last change is asked, and only blocks whose checksum is
/// the one in this replica's map are taken, so a repair can restore what was stored and nothing
/// else.
final class BlockRepair {
    private static final Logger log = LoggerFactory.getLogger(BlockRepair.class);

    private final ReplicaParts parts;
    private final LongAdder damaged = new LongAdder();
    private final LongAdder repaired = new LongAdder();

    BlockRepair(ReplicaParts parts) {
        this.parts = parts;
    }

    /// Blocks found damaged since this replica opened; one that is found twice counts twice.
    long damagedBlocks() {
        return damaged.sum();
    }

    /// Blocks mended since this replica opened.
    long repairedBlocks() {
        return repaired.sum();
    }

    /// Mends what it can; the caller reads again. Blocks on the network.
    ///
    /// @throws CisternException CORRUPT if a block is damaged and no peer that answers has it;
    ///   UNAVAILABLE if a peer that may have it does not answer
    void repair(CorruptBlocksException damage) {
        for (Corrupt corrupt : damage.blocks()) {
            repair(corrupt);
        }
    }

    private void repair(Corrupt corrupt) {
        damaged.add(Integer.bitCount(corrupt.blocks()));
        List<String> reasons = new ArrayList<>();
        boolean silent = false;
        for (Peer peer : parts.raft().dataMembers()) {
            if (peer.id().equals(parts.raft().self().id())) {
                continue;
            }
            try {
                GranuleData good = fetch(peer, corrupt);
                int mended = parts.store().repair(corrupt, good);
                if (mended == corrupt.blocks()) {
                    repaired.add(Integer.bitCount(mended));
                    log.warn(
                            "mended {} damaged block(s) of granule {} of branch {} in group {} from {}:"
                                    + " look at this node's disk",
                            Integer.bitCount(mended),
                            corrupt.row().granule(),
                            corrupt.row().branch(),
                            parts.raft().id(),
                            peer.node());
                    return;
                }
                if (mended != 0) {
                    repaired.add(Integer.bitCount(mended));
                    return;
                }
                reasons.add(peer.node() + " has other contents");
                // Written over or freed since, there or here: wait for that to arrive here too.
                awaitNewer(good.appliedIndex());
                if (!parts.store().unchanged(corrupt)) {
                    return;
                }
            } catch (CisternException e) {
                silent |= e.code() != ErrorCode.CORRUPT;
                reasons.add(peer.node() + ": " + e.getMessage());
            }
        }
        throw new CisternException(
                silent ? ErrorCode.UNAVAILABLE : ErrorCode.CORRUPT,
                "granule "
                        + corrupt.row().granule()
                        + " of branch "
                        + corrupt.row().branch()
                        + " in group "
                        + parts.raft().id()
                        + " is damaged on "
                        + parts.raft().self().node()
                        + " and no other replica could mend it: "
                        + String.join("; ", reasons));
    }

    private GranuleData fetch(Peer peer, Corrupt corrupt) {
        WirePeer.FetchBlocks request =
                new WirePeer.FetchBlocks(
                        parts.raft().id(),
                        corrupt.via(),
                        corrupt.row().granule(),
                        corrupt.lastIndex());
        return parts.node().ask(peer.node(), Wire.FETCH_BLOCKS, request::encode, WirePeer::granule);
    }

    private void awaitNewer(long index) {
        parts.node()
                .threads()
                .await(parts.raft().awaitApplied(index, parts.node().tuning().readWait()));
    }
}
