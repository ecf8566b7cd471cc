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
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Talks to the leader of the system group, wherever that is. Methods block; for virtual threads.
final class SystemClient {
    private static final Duration TRY = Duration.ofSeconds(2);
    private static final long PAUSE_MILLIS = 40;

    private final RpcClient rpc;
    private final Supplier<List<InetSocketAddress>> members;
    private final Supplier<SystemState> known;
    private final Supplier<@Nullable SystemGroup> here;
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
        Outcome outcome =
                atLeader(
                        timeout,
                        address ->
                                rpc.call(
                                                address,
                                                Opcodes.PROPOSE,
                                                TRY,
                                                Unpooled.wrappedBuffer(encoded.duplicate()))
                                        .thenApply(answer ->
                                                consumed(
                                                        answer,
                                                        b ->
                                                                Json.parse(
                                                                        Outcome.class,
                                                                        b,
                                                                        "an outcome"))));
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

    /// As [#fresh(Duration)]. Nothing is sent where `known` is it already, or where the leader is
    /// this process.
    SystemState fresh(SystemState known, Duration timeout) {
        SystemGroup replica = here.get();
        if (replica != null && replica.leads()) {
            try {
                return Waits.get(replica.fresh(), TRY);
            } catch (CisternException e) {
                checked(e);
            }
        }
        return sent(known.version(), true, timeout).orElse(known);
    }

    /// What any one member knows, where that is newer than `version`.
    Optional<SystemState> newer(long version, Duration timeout) {
        return sent(version, false, timeout);
    }

    /// Decoded by the caller's thread: it is large, and the connection serves others.
    private Optional<SystemState> sent(long version, boolean fresh, Duration timeout) {
        byte[] encoded =
                atLeader(
                        timeout,
                        address ->
                                new StateRequest(version, fresh)
                                        .ask(rpc, address, TRY)
                                        .thenApply(
                                                answer -> consumed(answer, ByteBufUtil::getBytes)));
        return encoded.length == 0
                ? Optional.empty()
                : Optional.of(SystemGroup.decode(encoded, "the system state that was sent"));
    }

    private static <T> T consumed(ByteBuf answer, java.util.function.Function<ByteBuf, T> parse) {
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
