package io.cistern.vmdisk.vhost;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The guest's memory as the front end shares it at one moment: regions, each with an address in
/// the guest's physical memory and one in the front end's own. Immutable; a change makes another.
///
/// The regions' mappings are held by whoever made the table, until [#release], and by each request
/// through [#retain].
final class GuestMemory {
    static final GuestMemory NONE = new GuestMemory(List.of());

    /// Most regions: those of an x86 guest with memory hot plugged into QEMU's usual number of
    /// slots, and few enough to search one after the other.
    static final int MAX_REGIONS = 64;

    /// Largest end of a region, in bytes: no processor addresses more.
    static final long MAX_ADDRESS = 1L << 52;

    /// One region.
    ///
    /// @param guest its address in the guest's physical memory
    /// @param user its address in the front end
    /// @param offset where it begins in the mapping
    record Region(long guest, long size, long user, long offset, SharedMemory memory) {
        boolean same(Region other) {
            return guest == other.guest && size == other.size && user == other.user;
        }
    }

    /// A place in a mapping, and how many bytes are left of its region from there on.
    record Place(SharedMemory memory, long offset, long left) {}

    private final Region[] regions;
    private final boolean sealed;

    GuestMemory(List<Region> regions) {
        this.regions = regions.toArray(Region[]::new);
        this.sealed = regions.stream().allMatch(r -> r.memory.cannotShrink());
    }

    List<Region> regions() {
        return List.of(regions);
    }

    /// Checks a region's numbers and that it overlaps no other.
    ///
    /// @throws VhostException where it cannot be
    void checkAddition(Region added) throws VhostException {
        if (regions.length >= MAX_REGIONS) {
            throw new VhostException("more than " + MAX_REGIONS + " memory regions");
        }
        for (Region r : regions) {
            if (overlap(r.guest, added.guest, r.size, added.size)
                    || overlap(r.user, added.user, r.size, added.size)) {
                throw new VhostException("memory regions overlap");
            }
        }
    }

    private static boolean overlap(long a, long b, long aSize, long bSize) {
        return Long.compareUnsigned(a, b + bSize) < 0 && Long.compareUnsigned(b, a + aSize) < 0;
    }

    /// This table and one more region.
    GuestMemory with(Region added) {
        List<Region> all = new ArrayList<>(regions());
        all.add(added);
        return new GuestMemory(all);
    }

    /// This table without that region.
    GuestMemory without(Region removed) {
        List<Region> all = new ArrayList<>(regions());
        all.remove(removed);
        return new GuestMemory(all);
    }

    /// The same memory by mappings of its own, which the caller holds.
    ///
    /// @throws IOException where it cannot be mapped again
    GuestMemory again() throws IOException {
        List<Region> all = new ArrayList<>();
        boolean complete = false;
        try {
            for (Region r : regions) {
                all.add(new Region(r.guest, r.size, r.user, r.offset, r.memory.again()));
            }
            complete = true;
            return new GuestMemory(all);
        } finally {
            if (!complete) {
                all.forEach(r -> r.memory.release());
            }
        }
    }

    /// The region of a guest address, null where there is none.
    @Nullable Region guestRegion(long address) {
        for (Region r : regions) {
            long at = address - r.guest;
            if (at >= 0 && at < r.size) {
                return r;
            }
        }
        return null;
    }

    /// Where `length` bytes at an address of the front end are.
    ///
    /// @throws VhostException where they are not all in one region
    Place user(long address, long length, String what) throws VhostException {
        for (Region r : regions) {
            long at = address - r.user;
            if (at >= 0 && at < r.size && length <= r.size - at) {
                return new Place(r.memory, r.offset + at, r.size - at);
            }
        }
        throw new VhostException(
                what + " at 0x" + Long.toHexString(address) + " is not in the guest's memory");
    }

    /// True where no byte of it can be cut off by its owner.
    boolean cannotShrink() {
        return sealed;
    }

    /// Takes it away from whoever still uses it: see [SharedMemory#forsake].
    void forsake() {
        for (Region r : regions) {
            r.memory.forsake();
        }
    }

    void retain() {
        for (Region r : regions) {
            r.memory.retain();
        }
    }

    void release() {
        for (Region r : regions) {
            r.memory.release();
        }
    }
}
