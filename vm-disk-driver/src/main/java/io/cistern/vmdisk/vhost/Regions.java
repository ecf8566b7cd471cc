package io.cistern.vmdisk.vhost;

import io.cistern.vmdisk.vhost.GuestMemory.Region;
import java.io.IOException;

/// Makes tables of the guest's memory from what a front end says about it.
final class Regions {
    private Regions() {}

    /// Maps a region. The caller holds the mapping.
    ///
    /// @param among the table it is to be added to
    /// @param regionFd is closed
    /// @throws VhostException where it cannot be, or overlaps another
    static Region map(GuestMemory among, Payload.Region given, int regionFd) throws IOException {
        try {
            if (given.size() <= 0
                    || given.size() > GuestMemory.MAX_ADDRESS
                    || given.mapOffset() < 0
                    || given.mapOffset() > GuestMemory.MAX_ADDRESS
                    || given.guest() < 0
                    || given.guest() > GuestMemory.MAX_ADDRESS
                    || given.user() < 0
                    || given.user() > Long.MAX_VALUE - given.size()) {
                throw new VhostException("a memory region that cannot be: " + given);
            }
            Region region =
                    new Region(
                            given.guest(),
                            given.size(),
                            given.user(),
                            given.mapOffset(),
                            SharedMemory.map(regionFd, given.mapOffset() + given.size()));
            try {
                among.checkAddition(region);
            } catch (VhostException e) {
                region.memory().release();
                throw e;
            }
            return region;
        } finally {
            Native.close(regionFd);
        }
    }

    /// The table of a SET_MEM_TABLE. The caller holds the mappings.
    static GuestMemory table(Message message) throws IOException {
        GuestMemory table = GuestMemory.NONE;
        boolean complete = false;
        try {
            int i = 0;
            for (Payload.Region given : ((Payload.MemoryTable) message.payload()).regions()) {
                table = table.with(map(table, given, message.takeFd(i++)));
            }
            complete = true;
            return table;
        } finally {
            if (!complete) {
                table.release();
            }
        }
    }

    /// A table without one of its regions.
    ///
    /// @throws VhostException where it has none like that
    static GuestMemory without(GuestMemory table, Payload.Region given) throws VhostException {
        for (Region region : table.regions()) {
            if (region.guest() == given.guest()
                    && region.size() == given.size()
                    && region.user() == given.user()) {
                return table.without(region);
            }
        }
        throw new VhostException("there is no memory region " + given + " to remove");
    }
}
