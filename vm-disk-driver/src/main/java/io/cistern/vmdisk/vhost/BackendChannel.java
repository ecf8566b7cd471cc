package io.cistern.vmdisk.vhost;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The socket on which this back end makes requests of its own: it says that the configuration has
/// changed. Any thread may call any method; none waits for the front end.
final class BackendChannel {
    private static final Logger LOG = LoggerFactory.getLogger(BackendChannel.class);
    private static final int CONFIG_CHANGE = 2;

    // Guarded by this.
    private int fd = -1;
    private @Nullable MessageChannel channel;

    /// @param given this channel's from here on
    synchronized void open(int given) throws IOException {
        close();
        Native.nonBlocking(given);
        fd = given;
        channel = new MessageChannel(given);
    }

    /// A front end that does not read is not told: it asks when it connects again.
    synchronized void configChanged() {
        MessageChannel open = channel;
        if (open == null) {
            return;
        }
        try {
            open.send(CONFIG_CHANGE, Message.VERSION, Payload.Empty.INSTANCE, -1);
        } catch (IOException e) {
            LOG.warn("cannot tell the front end of the new size: {}", e.getMessage());
            close();
        }
    }

    synchronized void close() {
        Native.close(fd);
        fd = -1;
        channel = null;
    }
}
