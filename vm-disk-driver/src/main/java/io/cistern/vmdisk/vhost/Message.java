package io.cistern.vmdisk.vhost;

import java.util.Arrays;

/// A request as it was received.
///
/// @param needReply the front end waits for an acknowledgement, if that was negotiated
/// @param fds descriptors that came with it. Whoever handles the message takes those that it keeps
///   ([#takeFd]); the rest is closed
record Message(Request request, boolean needReply, Payload payload, int[] fds) {
    /// Bytes before the payload: request, flags, size of the payload, 32 bits each.
    static final int HEADER_BYTES = 12;

    /// The protocol's version, in the lower two bits of the flags.
    static final int VERSION = 1;

    static final int VERSION_MASK = 3;
    static final int FLAG_REPLY = 1 << 2;
    static final int FLAG_NEED_REPLY = 1 << 3;

    /// Longest payload of any request.
    static final int MAX_PAYLOAD_BYTES = 268;

    /// Takes descriptor `index`: it is the caller's from here on.
    ///
    /// @throws VhostException where the message came without it
    int takeFd(int index) throws VhostException {
        if (index >= fds.length || fds[index] < 0) {
            throw new VhostException(request + " came without its descriptor");
        }
        int fd = fds[index];
        fds[index] = -1;
        return fd;
    }

    /// Closes what nobody has taken.
    void closeFds() {
        for (int i = 0; i < fds.length; i++) {
            Native.close(fds[i]);
            fds[i] = -1;
        }
    }

    @Override
    public String toString() {
        return request + " " + payload + " " + Arrays.toString(fds);
    }
}
