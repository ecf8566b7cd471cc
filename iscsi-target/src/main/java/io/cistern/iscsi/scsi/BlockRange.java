package io.cistern.iscsi.scsi;

/// The LOGICAL BLOCK ADDRESS and TRANSFER LENGTH of a CDB of 6, 10, 12 or 16 bytes.
///
/// @param lba unsigned
/// @param blocks 0 to 2^32 - 1
/// @param lengthAt byte of the CDB at which the transfer length begins
record BlockRange(long lba, long blocks, int lengthAt) {
    static BlockRange of(Cdb cdb) {
        return switch (cdb.operationCode() >> 5) {
            case 0 -> {
                int blocks = cdb.u8(4);
                yield new BlockRange(cdb.u24(1) & 0x1fffff, blocks == 0 ? 256 : blocks, 4);
            }
            case 1, 2 -> new BlockRange(cdb.u32(2), cdb.u16(7), 7);
            case 4 -> new BlockRange(cdb.u64(2), cdb.u32(10), 10);
            case 5 -> new BlockRange(cdb.u32(2), cdb.u32(6), 6);
            default -> throw new IllegalArgumentException("no range in " + cdb.operationCode());
        };
    }

    /// @throws Refusal LOGICAL BLOCK ADDRESS OUT OF RANGE, or INVALID FIELD IN CDB where it is
    ///   longer than `maxBlocks`
    BlockRange check(LogicalUnit unit, long maxBlocks) {
        long capacity = unit.capacityBlocks();
        if (Long.compareUnsigned(lba, capacity) > 0 || blocks > capacity - lba) {
            throw Refusal.of(Sense.of(Condition.LBA_OUT_OF_RANGE));
        }
        if (blocks > maxBlocks) {
            throw Refusal.cdb(lengthAt, -1);
        }
        return this;
    }

    /// As a transfer of data.
    BlockRange check(LogicalUnit unit) {
        return check(unit, unit.maxTransferBlocks());
    }

    long offset(LogicalUnit unit) {
        return lba * unit.blockBytes();
    }

    long bytes(LogicalUnit unit) {
        return blocks * unit.blockBytes();
    }
}
