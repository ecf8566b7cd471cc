package io.cistern.iscsi.session;

import io.cistern.iscsi.pdu.Pdu;
import io.cistern.iscsi.pdu.TargetNumbers;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;

/// Sends PDUs of one connection and gives them their sequence numbers. Event loop only.
///
/// PDUs are flushed together: at the end of a read, or when the event loop comes round.
final class Outbox {
    private final Channel channel;
    private CommandWindow window = new CommandWindow(0);
    private int statSn = 1;
    private boolean reading;
    private boolean flushScheduled;

    Outbox(Channel channel) {
        this.channel = channel;
    }

    Channel channel() {
        return channel;
    }

    void window(CommandWindow commands) {
        window = commands;
    }

    CommandWindow window() {
        return window;
    }

    /// The numbers of a PDU that has a StatSN of its own.
    TargetNumbers next() {
        return new TargetNumbers(statSn++, window.exp(), window.max());
    }

    /// The numbers of a PDU that tells the next StatSN without using it up: R2T, NOP-In pings, and
    /// Data-In without status, where it means nothing.
    TargetNumbers peek() {
        return new TargetNumbers(statSn, window.exp(), window.max());
    }

    void send(Pdu pdu) {
        channel.write(pdu, channel.voidPromise());
        flushLater();
    }

    /// As [#send]; the future tells when it has left, or never will.
    ChannelFuture sendTracked(Pdu pdu) {
        ChannelFuture future = channel.write(pdu);
        flushLater();
        return future;
    }

    private void flushLater() {
        if (!reading && !flushScheduled) {
            flushScheduled = true;
            channel.eventLoop().execute(this::flush);
        }
    }

    private void flush() {
        flushScheduled = false;
        channel.flush();
    }

    void readBegins() {
        reading = true;
    }

    void readEnds() {
        reading = false;
        channel.flush();
    }
}
