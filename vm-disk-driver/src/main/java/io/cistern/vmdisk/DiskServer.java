package io.cistern.vmdisk;

import java.util.List;
import java.util.function.Predicate;

/// A device offered on one socket, by whatever transport. It does not close the device. Any thread
/// may call any method.
interface DiskServer extends AutoCloseable {

    NbdMetrics.Snapshot metrics();

    /// Who is connected now.
    List<Peer> peers();

    /// The device has another size: clients are told, or made to connect anew where that is how
    /// they learn of it.
    ///
    /// @param which those that may be made to connect anew
    /// @return how many were
    int resized(Predicate<Peer> which);

    /// Waits until no client is connected.
    ///
    /// @return false where some still are after `millis`
    boolean awaitNoPeers(long millis) throws InterruptedException;

    /// Answers all further requests with an error: the volume goes away for good.
    void refuse();

    /// Stops accepting, answers what is under way and closes all connections without an error to
    /// their clients, which may reconnect to a successor. Removes the socket file.
    @Override
    void close();
}
