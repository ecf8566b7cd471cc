package io.cistern.volume.node;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.RpcClient;
import io.cistern.storage.Outcome;
import io.cistern.volume.client.Waits;
import io.cistern.volume.system.Level;
import io.cistern.volume.system.SystemCodec;
import io.cistern.volume.system.SystemCommand;
import io.cistern.volume.system.SystemState;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Talks to the leader of the system group, wherever that is. Methods block; for virtual threads.
final class SystemClient {
    private static final Duration TRY = Duration.ofSeconds(2);
    private static final long PAUSE_MILLIS = 40;

    /// Several times what an answer takes that comes at once.
    private static final Duration USUAL = Duration.ofMillis(20);

    /// Likewise, what a replica takes to apply what the leader has applied.
    private static final Duration FOLLOWS = Duration.ofMillis(50);

    private final RpcClient rpc;
    private final Supplier<List<InetSocketAddress>> members;
    private final Supplier<SystemState> known;
    private final Supplier<@Nullable SystemGroup> here;
    private final Joint<SystemState> latest;
    private volatile @Nullable InetSocketAddress leader;

    /// For a process without a replica of the system group.
    ///
    /// @param members node wire addresses of those who may lead, as known now
    /// @param known a state of the cluster, as new as is known
    SystemClient(
            RpcClient rpc, Supplier<List<InetSocketAddress>> members, Supplier<SystemState> known) {
        this(rpc, members, known, () -> null);
    }

    /// @param here the replica of this process, null while it has none
    SystemClient(
            RpcClient rpc,
            Supplier<List<InetSocketAddress>> members,
            Supplier<SystemState> known,
            Supplier<@Nullable SystemGroup> here) {
        this.rpc = rpc;
        this.members = members;
        this.known = known;
        this.here = here;
        this.latest = new Joint<>(() -> fresh(known.get(), Cluster.CONTROL), USUAL);
    }

    /// Changes the state. The same command may be proposed again: it has one effect, however late a
    /// copy of it arrives.
    ///
    /// @return the outcome's value
    /// @throws CisternException the rule's refusal, UNAVAILABLE
    long propose(SystemCommand command, Duration timeout) {
        SystemState now = known.get();
        ByteBuffer encoded =
                now.level() < Level.LATE_REQUESTS
                        ? SystemCodec.encode(command)
                        : SystemCodec.encode(command, now.version());
        Outcome outcome = here(replica -> replica.propose(encoded.duplicate()));
        if (outcome == null) {
            outcome =
                    atLeader(
                            timeout,
                            address ->
                                    rpc.call(
                                                    address,
                                                    Opcodes.PROPOSE,
                                                    TRY,
                                                    Unpooled.wrappedBuffer(encoded.duplicate()))
                                            .thenApply(answer ->
                                                    consumed(answer, SystemClient::outcome)));
        }
        ErrorCode error = outcome.error();
        if (error != null) {
            throw new CisternException(error, outcome.message());
        }
        return outcome.value();
    }

    /// The state with every change that anyone was told of.
    SystemState fresh(Duration timeout) {
        return sent(-1, true, timeout)
                .orElseThrow(() -> new CisternException(ErrorCode.INTERNAL, "no state was sent"));
    }

    /// As [#fresh(Duration)]. Nothing is sent where `known` is it already, where the leader is this
    /// process, or where the replica of this process has it in a moment.
    SystemState fresh(SystemState known, Duration timeout) {
        long until = System.nanoTime() + timeout.toNanos();
        SystemState own = here(SystemGroup::fresh);
        if (own == null) {
            own = followed(left(until));
        }
        return own != null ? own : sent(known.version(), true, left(until)).orElse(known);
    }

    private static Duration left(long until) {
        return Duration.ofNanos(Math.max(0, until - System.nanoTime()));
    }

    /// By a replica that does not lead: it applies what the leader has applied a little later.
    private @Nullable SystemState followed(Duration timeout) {
        SystemGroup replica = here.get();
        if (replica == null) {
            return null;
        }
        SystemState own = replica.machine().state();
        byte[] answer = asked(StateRequest.whichVersion(own.version()), timeout);
        if (answer.length == 0) {
            return own;
        }
        return answer.length == StateRequest.VERSION_BYTES
                ? replica.machine().await(ByteBuffer.wrap(answer).getLong(), FOLLOWS)
                : decoded(answer); // by a node of an earlier release
    }

    /// As [#fresh(SystemState, Duration)] of what is known here, within [Cluster#CONTROL]; asked
    /// once for all who want it at the same time.
    SystemState latest() {
        return latest.ask(Cluster.CONTROL.plus(TRY));
    }

    /// What this process' replica says where it leads; null where it does not, or does not answer.
    private <T> @Nullable T here(Function<SystemGroup, CompletableFuture<T>> call) {
        SystemGroup replica = here.get();
        if (replica == null || !replica.leads()) {
            return null;
        }
        try {
            return Waits.get(call.apply(replica), TRY);
        } catch (CisternException e) {
            checked(e);
            return null;
        }
    }

    private static Outcome outcome(ByteBuf answer) {
        return Json.parse(Outcome.class, answer, "an outcome");
    }

    /// What any one member knows, where that is newer than `version`.
    Optional<SystemState> newer(long version, Duration timeout) {
        return sent(version, false, timeout);
    }

    /// Decoded by the caller's thread: it is large, and the connection serves others.
    private Optional<SystemState> sent(long version, boolean fresh, Duration timeout) {
        byte[] encoded = asked(new StateRequest(version, fresh), timeout);
        return encoded.length == 0 ? Optional.empty() : Optional.of(decoded(encoded));
    }

    private byte[] asked(StateRequest request, Duration timeout) {
        return atLeader(
                timeout,
                address ->
                        request.ask(rpc, address, TRY)
                                .thenApply(answer -> consumed(answer, ByteBufUtil::getBytes)));
    }

    private static SystemState decoded(byte[] encoded) {
        return SystemGroup.decode(encoded, "the system state that was sent");
    }

    private static <T> T consumed(ByteBuf answer, Function<ByteBuf, T> parse) {
        try {
            return parse.apply(answer);
        } finally {
            answer.release();
        }
    }

    private interface Call<T> {
        CompletableFuture<T> at(InetSocketAddress address);
    }

    private <T> T atLeader(Duration timeout, Call<T> call) {
        long deadline = System.nanoTime() + timeout.toNanos();
        CisternException last =
                new CisternException(ErrorCode.UNAVAILABLE, "no node is known to ask");
        while (true) {
            InetSocketAddress first = leader;
            if (first != null) {
                try {
                    return Waits.get(call.at(first), TRY);
                } catch (CisternException e) {
                    last = checked(e);
                    leader = null;
                }
            }
            for (InetSocketAddress address : members.get()) {
                if (address.equals(first)) {
                    continue;
                }
                try {
                    T answer = Waits.get(call.at(address), TRY);
                    leader = address;
                    return answer;
                } catch (CisternException e) {
                    last = checked(e);
                }
            }
            if (System.nanoTime() - deadline >= 0) {
                throw new CisternException(
                        ErrorCode.UNAVAILABLE,
                        "the system group has no leader that answers (" + last.getMessage() + ")",
                        last);
            }
            pause();
        }
    }

    private static CisternException checked(CisternException e) {
        if (!e.code().retryable() || Thread.currentThread().isInterrupted()) {
            throw e;
        }
        return e;
    }

    static void pause() {
        try {
            Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted while waiting", e);
        }
    }
}
