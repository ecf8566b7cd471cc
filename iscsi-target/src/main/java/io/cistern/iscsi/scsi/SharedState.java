package io.cistern.iscsi.scsi;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.GuardedDevice;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;

/// This node's view of a logical unit's [ScsiState], and the only place where it changes. Any
/// thread; never blocks for I/O.
///
/// A newer record, however it is learned of, is first told to the listener and then becomes the
/// view; so a request made under a view finds unit attentions in place.
final class SharedState {
    /// Attempts at replacing the record before a command is BUSY.
    private static final int MAX_ATTEMPTS = 64;

    /// A state and the version of the record that holds it, the guard of requests permitted by it.
    record View(long version, ScsiState state) {}

    /// Told of each change, under a lock: short, no I/O.
    interface Listener {
        /// @return what is to be done when the lock has been let go
        Runnable changed(ScsiState before, ScsiState now);
    }

    private final GuardedDevice device;
    private final Listener listener;
    private final Object learning = new Object();
    private volatile View view;

    SharedState(GuardedDevice device, Listener listener) {
        this.device = device;
        this.listener = listener;
        this.view = view(device.knownRecord());
    }

    /// The newest known; cheap.
    View view() {
        return view;
    }

    /// A view at least as new as any change completed before the call.
    CompletableFuture<View> fresh() {
        return device.record().thenApply(this::learn);
    }

    /// Takes over a record if it is newer.
    View learn(GuardedDevice.SharedRecord record) {
        if (record.version() <= view.version()) {
            return view;
        }
        View next = view(record);
        Runnable after;
        synchronized (learning) {
            if (next.version() <= view.version()) {
                return view;
            }
            after = listener.changed(view.state(), next.state());
            view = next;
        }
        after.run();
        return view;
    }

    /// Replaces the state by what `change` makes of it; tried again while others change it at the
    /// same time. `change` may throw a [Refusal]; one that returns its argument changes nothing,
    /// and is then only right if its argument is still the newest state.
    ///
    /// @return the new view
    CompletableFuture<View> update(UnaryOperator<ScsiState> change) {
        return fresh().thenCompose(now -> attempt(change, now, 1));
    }

    private CompletableFuture<View> attempt(UnaryOperator<ScsiState> change, View now, int n) {
        ScsiState next = change.apply(now.state());
        if (next.equals(now.state())) {
            return CompletableFuture.completedFuture(now);
        }
        return device.replaceRecord(now.version(), ScsiStateCodec.encode(next))
                .handle((record, failure) -> {
                    if (failure == null) {
                        return CompletableFuture.completedFuture(learn(record));
                    }
                    CisternException why = CisternException.of(failure);
                    if (why.code() != ErrorCode.CHANGED || n == MAX_ATTEMPTS) {
                        return CompletableFuture.<View>failedFuture(why);
                    }
                    return fresh().thenCompose(newer -> attempt(change, newer, n + 1));
                })
                .thenCompose(done -> done);
    }

    private static View view(GuardedDevice.SharedRecord record) {
        return new View(record.version(), ScsiStateCodec.decode(record.bytes()));
    }
}
