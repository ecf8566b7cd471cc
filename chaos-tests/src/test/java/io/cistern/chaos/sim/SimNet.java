package io.cistern.chaos.sim;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.net.Responder;
import io.cistern.raft.net.RpcChannel;
import io.cistern.raft.net.RpcHandler;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// The network: messages between hosts take time, are lost, doubled and overtake each other; ways
/// may be cut in one direction. Calls ride on connections, whose messages keep their order and are
/// lost only with the connection or a cut; what a caller gave up may still arrive.
public final class SimNet {
    private static final long RESET_NANOS = 2_000_000;
    private static final long FIRST_RESEND_NANOS = 200_000_000;
    private static final long MOST_RESEND_NANOS = 3_200_000_000L;
    private static final long LEAST_LATE_NANOS = 20_000_000;
    private static final long MOST_LATE_NANOS = 4_000_000_000L;

    private final Sim sim;
    private final Set<String> cuts = new HashSet<>();
    private final Map<String, Service> services = new HashMap<>();

    /// By host: what happens instead of its next answer to a client.
    private final Map<String, Runnable> insteadOfAnswer = new HashMap<>();

    /// The newest connection of each client to each host.
    private final Map<String, Channel> clients = new HashMap<>();

    private long leastDelay = 30_000;
    private long mostDelay = 400_000;
    private double loss;
    private double resets = 0.005;
    private double doubled;
    private double lostAnswers;
    private double lateRequests;
    private long sent;
    private long lost;

    /// What listens at a host.
    private record Service(Machine machine, Map<Integer, RpcHandler> handlers) {}

    public SimNet(Sim sim) {
        this.sim = sim;
    }

    public long sent() {
        return sent;
    }

    public long lost() {
        return lost;
    }

    /// How messages fare from now on.
    ///
    /// Connections break now and then in any weather, with what is on its way back.
    ///
    /// @param loss of messages that are on their own
    public void weather(long leastDelay, long mostDelay, double loss, double doubled) {
        this.leastDelay = leastDelay;
        this.mostDelay = mostDelay;
        this.loss = loss;
        this.doubled = doubled;
        this.resets = loss > 0 ? 0.04 : 0.005;
    }

    /// Nothing goes wrong any more.
    public void calm() {
        weather(30_000, 400_000, 0, 0);
        resets = 0;
        lostAnswers = 0;
        lateRequests = 0;
        insteadOfAnswer.clear();
        cuts.clear();
    }

    /// From now on connections of clients break with this probability as an answer is on its way.
    public void loseAnswers(double probability) {
        lostAnswers = probability;
    }

    /// From now on connections of clients break with this probability as a request is on its way.
    /// It arrives all the same, up to seconds later, if the process is still there.
    public void delayRequests(double probability) {
        lateRequests = probability;
    }

    /// The next answer of `host` to a client is lost, and `happens` then.
    public void insteadOfAnswer(String host, Runnable happens) {
        insteadOfAnswer.put(host, happens);
    }

    /// Cuts a client off from a host, and breaks its connection.
    public void part(String client, String host) {
        cut(client, host);
        cut(host, client);
        Channel channel = clients.get(client + ">" + host);
        if (channel != null) {
            sim.after(channel.caller, RESET_NANOS, channel::reset);
        }
    }

    private static boolean client(String host) {
        return !host.startsWith("n");
    }

    public void cut(String from, String to) {
        cuts.add(from + ">" + to);
    }

    public void mend(String from, String to) {
        cuts.remove(from + ">" + to);
    }

    private boolean cutOff(String from, String to) {
        return !from.equals(to) && cuts.contains(from + ">" + to);
    }

    private long delay(String from, String to) {
        if (from.equals(to)) {
            return sim.between(1_000, 50_000);
        }
        long usual = sim.between(leastDelay, mostDelay);
        return sim.chance(0.005) ? usual * 20 : usual;
    }

    /// A message on its own: `arrives` runs in `target`, or never, or twice. Who lives at the host
    /// when it arrives gets it.
    public void message(
            String from, String to, Supplier<@Nullable Machine> target, Runnable arrives) {
        sent++;
        if (cutOff(from, to) || (!from.equals(to) && sim.chance(loss))) {
            lost++;
            return;
        }
        deliver(from, to, target, arrives);
        if (!from.equals(to) && sim.chance(doubled)) {
            deliver(from, to, target, arrives);
        }
    }

    private void deliver(
            String from, String to, Supplier<@Nullable Machine> target, Runnable arrives) {
        sim.after(
                sim.harness(),
                delay(from, to),
                () -> {
                    Machine machine = target.get();
                    if (machine != null && !machine.dead()) {
                        sim.after(machine, 0, arrives);
                    }
                });
    }

    public void listen(String host, Machine machine, Map<Integer, RpcHandler> handlers) {
        services.put(host, new Service(machine, handlers));
    }

    /// A connection from a process at `from` to `to`.
    public RpcChannel connect(String from, Machine caller, String to) {
        Channel channel = new Channel(from, caller, to);
        if (client(from)) {
            clients.put(from + ">" + to, channel);
        }
        return channel;
    }

    private final class Channel implements RpcChannel {
        private final String from;
        private final Machine caller;
        private final String to;
        private final Set<CompletableFuture<ByteBuf>> open = new java.util.LinkedHashSet<>();
        private @Nullable Machine connected;
        private long lastThere;
        private long lastBack;

        Channel(String from, Machine caller, String to) {
            this.from = from;
            this.caller = caller;
            this.to = to;
        }

        @Override
        public CompletableFuture<ByteBuf> call(int opcode, Duration timeout, ByteBuf... parts) {
            byte[] request = bytes(parts);
            sim.note(request.length * 31L + opcode);
            CompletableFuture<ByteBuf> answer = new CompletableFuture<>();
            open.add(answer);
            sim.afterOwn(caller, timeout.toNanos(), () -> fail(answer, "no answer in time"));
            sent++;
            if (!from.equals(to) && sim.chance(resets)) {
                lost++;
                sim.after(caller, RESET_NANOS, this::reset);
            } else if (client(from) && lateRequests > 0 && sim.chance(lateRequests)) {
                late(opcode, request);
            } else {
                there(opcode, request, answer, FIRST_RESEND_NANOS);
            }
            return answer;
        }

        /// The caller gives the connection up, and what it had sent arrives long after.
        private void late(int opcode, byte[] request) {
            Service then = services.get(to);
            sim.after(caller, RESET_NANOS, this::reset);
            sim.after(
                    sim.harness(),
                    sim.between(LEAST_LATE_NANOS, MOST_LATE_NANOS),
                    () -> {
                        if (then != null && then == services.get(to) && !then.machine.dead()) {
                            CompletableFuture<ByteBuf> unheard = new CompletableFuture<>();
                            sim.after(then.machine, 0, () -> serve(then, opcode, request, unheard));
                        }
                    });
        }

        /// Through a cut nothing arrives, but it is sent again until the cut is mended.
        private void there(
                int opcode, byte[] request, CompletableFuture<ByteBuf> answer, long resend) {
            if (cutOff(from, to)) {
                long next = Math.min(MOST_RESEND_NANOS, 2 * resend);
                sim.after(sim.harness(), resend, () -> there(opcode, request, answer, next));
                return;
            }
            lastThere = Math.max(lastThere + 1, sim.now() + delay(from, to));
            sim.after(sim.harness(), lastThere - sim.now(), () -> arrive(opcode, request, answer));
        }

        private void reset() {
            close();
        }

        private void arrive(int opcode, byte[] request, CompletableFuture<ByteBuf> answer) {
            Service service = services.get(to);
            if (service == null || service.machine.dead()) {
                sim.after(caller, RESET_NANOS, () -> fail(answer, to + " is down"));
                return;
            }
            if (connected != service.machine) {
                boolean first = connected == null;
                connected = service.machine;
                if (!first) {
                    // The process that was connected is gone.
                    sim.after(caller, RESET_NANOS, this::reset);
                    return;
                }
            }
            sim.after(service.machine, 0, () -> serve(service, opcode, request, answer));
        }

        private void serve(
                Service service, int opcode, byte[] request, CompletableFuture<ByteBuf> answer) {
            Responder responder =
                    new Responder() {
                        private boolean answered;

                        private void once() {
                            if (answered) {
                                throw new IllegalStateException("answered twice");
                            }
                            answered = true;
                        }

                        @Override
                        public void ok(ByteBuf... parts) {
                            once();
                            byte[] reply = bytes(parts);
                            leave(() -> done(answer, reply));
                        }

                        @Override
                        public void fail(CisternException failure) {
                            once();
                            leave(() -> failed(answer, failure));
                        }

                        /// What a process says as it dies is not heard.
                        private void leave(Runnable arrives) {
                            if (service.machine.dead()) {
                                sim.after(
                                        caller,
                                        RESET_NANOS,
                                        () -> Channel.this.fail(answer, to + " is down"));
                            } else {
                                back(arrives);
                            }
                        }

                        @Override
                        public String peer() {
                            return from;
                        }
                    };
            RpcHandler handler = service.handlers.get(opcode);
            if (handler == null) {
                responder.fail(new CisternException(ErrorCode.INVALID, "opcode " + opcode));
                return;
            }
            ByteBuf message = Unpooled.wrappedBuffer(request);
            try {
                handler.handle(message, responder);
            } catch (RuntimeException e) {
                responder.fail(CisternException.of(e));
            }
        }

        private void back(Runnable arrives) {
            sent++;
            Runnable instead = client(from) ? insteadOfAnswer.remove(to) : null;
            if (instead != null) {
                sim.after(sim.harness(), 0, instead);
            }
            if (instead != null || (client(from) && lostAnswers > 0 && sim.chance(lostAnswers))) {
                lost++;
                sim.after(caller, RESET_NANOS, this::reset);
                return;
            }
            back(arrives, FIRST_RESEND_NANOS);
        }

        private void back(Runnable arrives, long resend) {
            if (cutOff(to, from)) {
                long next = Math.min(MOST_RESEND_NANOS, 2 * resend);
                sim.after(sim.harness(), resend, () -> back(arrives, next));
                return;
            }
            if (!from.equals(to) && sim.chance(resets)) {
                lost++;
                sim.after(caller, RESET_NANOS, this::reset);
                return;
            }
            lastBack = Math.max(lastBack + 1, sim.now() + delay(to, from));
            sim.after(caller, lastBack - sim.now(), arrives);
        }

        private void done(CompletableFuture<ByteBuf> answer, byte[] reply) {
            sim.note(reply.length);
            open.remove(answer);
            answer.complete(Unpooled.wrappedBuffer(reply));
        }

        private void failed(CompletableFuture<ByteBuf> answer, CisternException failure) {
            sim.note(failure.code().ordinal());
            open.remove(answer);
            answer.completeExceptionally(
                    new CisternException(failure.code(), String.valueOf(failure.getMessage())));
        }

        private void fail(CompletableFuture<ByteBuf> answer, String why) {
            open.remove(answer);
            answer.completeExceptionally(new CisternException(ErrorCode.UNAVAILABLE, why));
        }

        @Override
        public void close() {
            for (CompletableFuture<ByteBuf> answer : java.util.List.copyOf(open)) {
                fail(answer, "the connection to " + to + " was reset");
            }
        }

        private static byte[] bytes(ByteBuf... parts) {
            ByteBuf all = Unpooled.wrappedBuffer(parts);
            byte[] bytes = new byte[all.readableBytes()];
            all.readBytes(bytes);
            all.release();
            return bytes;
        }
    }
}
