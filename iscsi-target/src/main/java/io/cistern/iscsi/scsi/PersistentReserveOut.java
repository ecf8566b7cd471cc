package io.cistern.iscsi.scsi;

import io.cistern.iscsi.scsi.PersistentReservations.Asked;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// PERSISTENT RESERVE OUT (SPC-4 6.16). It completes when the change is durable on a majority and
/// every request that was allowed before it can have no effect any more, through whichever port.
final class PersistentReserveOut implements Operation {
    private static final int REGISTER = 0;
    private static final int RESERVE = 1;
    private static final int RELEASE = 2;
    private static final int CLEAR = 3;
    private static final int PREEMPT = 4;
    private static final int PREEMPT_AND_ABORT = 5;
    private static final int REGISTER_AND_IGNORE = 6;
    private static final int REGISTER_AND_MOVE = 7;
    private static final int LIST_BYTES = 24;
    private static final int MAX_LIST_BYTES = 64 << 10;
    private static final int SPEC_I_PT = 0x08;
    private static final int ALL_TG_PT = 0x04;
    private static final int APTPL = 0x01;
    private static final int UNREGISTER = 0x02;

    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        long length = cdb.u32(5);
        if (length > MAX_LIST_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        return length;
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        int action = request.cdb().serviceAction();
        ByteBuffer list = request.dataOut((int) request.cdb().u32(5));
        CompletableFuture<SharedState.View> changed =
                action == REGISTER_AND_MOVE ? move(request, list) : basic(request, action, list);
        return changed.thenApply(view -> ScsiResult.good());
    }

    private static CompletableFuture<SharedState.View> basic(
            Request request, int action, ByteBuffer list) {
        if (list.limit() < LIST_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        int flags = list.get(20) & 0xff;
        boolean registers = action == REGISTER || action == REGISTER_AND_IGNORE;
        boolean initiators = (flags & SPEC_I_PT) != 0;
        if (initiators && action != REGISTER) {
            throw Refusal.parameter(20, 3);
        }
        if (!initiators && list.limit() != LIST_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        boolean allPorts = registers && (flags & ALL_TG_PT) != 0;
        Asked asked =
                new Asked(
                        request.nexusId(), list.getLong(0), list.getLong(8), (flags & APTPL) != 0);
        List<NexusId> others = others(request, list, initiators, allPorts);
        ReservationType type = registers || action == CLEAR ? null : type(request.cdb());
        return request.update(state -> {
            if (state.reservedBy() != null) {
                throw Refusal.conflict();
            }
            if (initiators && state.isRegistered(asked.nexus())) {
                throw Refusal.parameter(20, 3);
            }
            return apply(state, action, asked, type, others);
        });
    }

    private static ScsiState apply(
            ScsiState state,
            int action,
            Asked asked,
            @Nullable ReservationType type,
            List<NexusId> others) {
        if (type == null) {
            return action == CLEAR
                    ? PersistentReservations.clear(state, asked)
                    : PersistentReservations.register(
                            state, asked, action == REGISTER_AND_IGNORE, others);
        }
        return switch (action) {
            case RESERVE -> PersistentReservations.reserve(state, asked, type);
            case RELEASE -> PersistentReservations.release(state, asked, type);
            case PREEMPT -> PersistentReservations.preempt(state, asked, type, false);
            case PREEMPT_AND_ABORT -> PersistentReservations.preempt(state, asked, type, true);
            default -> throw Refusal.cdb(1, 4);
        };
    }

    /// The nexuses that a REGISTER names beside its own.
    private static List<NexusId> others(
            Request request, ByteBuffer list, boolean initiators, boolean allPorts) {
        NexusId own = request.nexusId();
        List<Integer> ports = new ArrayList<>();
        if (allPorts) {
            request.unit().ports().ports().forEach(port -> ports.add(port.tag()));
        }
        if (!ports.contains(own.targetPortGroup())) {
            ports.add(own.targetPortGroup());
        }
        List<NexusId> initiatorPorts = new ArrayList<>(List.of(own));
        if (initiators) {
            if (list.limit() < LIST_BYTES + 4) {
                throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
            }
            long length = list.getInt(LIST_BYTES) & 0xffffffffL;
            int at = LIST_BYTES + 4;
            if (length != list.limit() - at) {
                throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
            }
            List<NexusId> known = new ArrayList<>(request.state().registrations().keySet());
            request.unit().nexuses().forEach(nexus -> known.add(nexus.id()));
            while (at < list.limit()) {
                int bytes = TransportId.length(list, at);
                initiatorPorts.addAll(
                        TransportId.decodeAll(list, at, own.targetPortGroup(), known));
                at += bytes;
            }
        }
        List<NexusId> others = new ArrayList<>();
        for (NexusId initiator : initiatorPorts) {
            for (int port : ports) {
                NexusId nexus = new NexusId(initiator.initiatorName(), initiator.isid(), port);
                if (!nexus.equals(own)) {
                    others.add(nexus);
                }
            }
        }
        return others;
    }

    private static CompletableFuture<SharedState.View> move(Request request, ByteBuffer list) {
        if (list.limit() < LIST_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        long transportBytes = list.getInt(20) & 0xffffffffL;
        if (transportBytes != list.limit() - LIST_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        int port = list.getShort(18) & 0xffff;
        if (request.unit().ports().ports().stream().noneMatch(each -> each.tag() == port)) {
            throw Refusal.parameter(18, -1);
        }
        if (TransportId.length(list, LIST_BYTES) != transportBytes) {
            throw Refusal.parameter(20, -1);
        }
        NexusId destination = TransportId.decode(list, LIST_BYTES, port);
        if (destination.equals(request.nexusId())) {
            throw Refusal.parameter(LIST_BYTES, -1);
        }
        int flags = list.get(17) & 0xff;
        Asked asked =
                new Asked(
                        request.nexusId(), list.getLong(0), list.getLong(8), (flags & APTPL) != 0);
        return request.update(state -> {
            if (state.reservedBy() != null) {
                throw Refusal.conflict();
            }
            return PersistentReservations.move(
                    state, asked, destination, (flags & UNREGISTER) != 0);
        });
    }

    private static ReservationType type(Cdb cdb) {
        if (cdb.u8(2) >> 4 != 0) {
            throw Refusal.cdb(2, 7); // only the whole logical unit
        }
        ReservationType type = ReservationType.of(cdb.u8(2) & 0xf);
        if (type == null) {
            throw Refusal.cdb(2, 3);
        }
        return type;
    }
}
