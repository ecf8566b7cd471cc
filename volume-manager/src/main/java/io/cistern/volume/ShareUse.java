package io.cistern.volume;

import java.util.List;

/// Who uses a share over NFS now.
///
/// @param locks the first 10,000
public record ShareUse(List<Client> clients, List<Lock> locks) {
    public ShareUse {
        clients = List.copyOf(clients);
        locks = List.copyOf(locks);
    }

    /// A client.
    ///
    /// @param node that serves it
    /// @param share the share's id
    /// @param client what it calls itself; `NFSv3` for those that have no name
    /// @param expired whether it has been silent for longer than its lease: it keeps what it has
    ///   until somebody else needs it
    /// @param idleMillis since it was heard of; -1 where that is not known
    /// @param opens files it has open in the share
    /// @param locks ranges it has locked in all shares of the node; so are the other numbers
    public record Client(
            String node,
            long share,
            String client,
            String address,
            boolean expired,
            long idleMillis,
            int sessions,
            int opens,
            int locks,
            int delegations,
            double requestsPerSecond,
            double readBytesPerSecond,
            double writtenBytesPerSecond) {}

    /// A locked range.
    ///
    /// @param inode the file's number
    /// @param client as in [Client]
    /// @param last last byte; -1: to the end of the file, however long
    public record Lock(
            String node,
            long share,
            long inode,
            String client,
            long first,
            long last,
            boolean exclusive) {}

    /// What concerns one share.
    public ShareUse of(long share) {
        return new ShareUse(
                clients.stream().filter(c -> c.share() == share).toList(),
                locks.stream().filter(l -> l.share() == share).toList());
    }
}
