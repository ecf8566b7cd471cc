package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// The parameter list of EXTENDED COPY (LID1) (SPC-4 6.4.2), checked.
///
/// @param identifier LIST IDENTIFIER
/// @param keepsResult false where LIST ID USAGE says that the result is to be discarded
/// @param targets the nexuses that segments refer to by their place
record CopyList(
        int identifier, boolean keepsResult, List<LuNexus> targets, List<Segment> segments) {
    static final int MAX_TARGETS = 4;
    static final int MAX_SEGMENTS = 16;

    /// As many as a segment descriptor can say.
    static final int MAX_SEGMENT_BLOCKS = 0xffff;

    static final int TARGET_BYTES = 32;
    static final int SEGMENT_BYTES = 28;

    /// MAXIMUM DESCRIPTOR LIST LENGTH.
    static final int MAX_DESCRIPTOR_BYTES =
            MAX_TARGETS * TARGET_BYTES + MAX_SEGMENTS * SEGMENT_BYTES;

    static final int HEADER_BYTES = 16;
    static final int IDENTIFICATION = 0xe4;
    static final int BLOCK_TO_BLOCK = 0x02;

    /// LIST ID USAGE.
    private static final int RESERVED = 1;

    private static final int DISCARD = 3;
    private static final int DESTINATION_COUNT = 0x02;

    /// The name of a logical unit in a target descriptor.
    record Designator(int codeSet, int type, byte[] bytes) {
        boolean names(LogicalUnit unit) {
            return unit.identity().isDesignatedBy(codeSet, type, bytes);
        }
    }

    /// One block to block segment (SPC-4 6.4.6.3).
    ///
    /// @param from place of the source in the list of targets
    /// @param to place of the destination
    /// @param countsDestination DC: `blocks` are the destination's and not the source's
    record Segment(
            int from,
            int to,
            long source,
            long destination,
            long blocks,
            boolean countsDestination) {}

    /// @throws Refusal as SPC-4 5.16.4 says
    static CopyList parse(ByteBuffer list, LuNexus nexus) {
        if (list.limit() < HEADER_BYTES) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        int usage = list.get(1) >> 3 & 3;
        int targetBytes = list.getShort(2) & 0xffff;
        long segmentBytes = list.getInt(8) & 0xffffffffL;
        long inlineBytes = list.getInt(12) & 0xffffffffL;
        if (targetBytes + segmentBytes > MAX_DESCRIPTOR_BYTES
                || HEADER_BYTES + targetBytes + segmentBytes + inlineBytes > list.limit()) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        if (inlineBytes > 0) {
            throw Refusal.of(Condition.INLINE_DATA_LENGTH_EXCEEDED);
        }
        if (usage == RESERVED) {
            throw Refusal.parameter(1, 4);
        }
        int identifier = list.get(0) & 0xff;
        if (usage == DISCARD && identifier != 0) {
            throw Refusal.parameter(0, -1);
        }
        if (targetBytes % TARGET_BYTES != 0) {
            throw Refusal.parameter(2, -1);
        }
        int targets = targetBytes / TARGET_BYTES;
        if (targets > MAX_TARGETS) {
            throw Refusal.of(Condition.TOO_MANY_TARGET_DESCRIPTORS);
        }
        List<LuNexus> found = new ArrayList<>();
        for (int i = 0; i < targets; i++) {
            found.add(target(list, HEADER_BYTES + i * TARGET_BYTES, nexus));
        }
        List<Segment> segments =
                segments(list, HEADER_BYTES + targetBytes, (int) segmentBytes, targets);
        return new CopyList(identifier, usage != DISCARD, found, segments);
    }

    /// A target descriptor names a logical unit by one of its designators. LU ID TYPE and NUL mean
    /// nothing in SPC-4.
    private static LuNexus target(ByteBuffer list, int at, LuNexus nexus) {
        if ((list.get(at) & 0xff) != IDENTIFICATION) {
            throw Refusal.of(
                    new Sense(
                            Condition.UNSUPPORTED_TARGET_DESCRIPTOR,
                            -1,
                            new Sense.FieldPointer(false, at, -1)));
        }
        if ((list.get(at + 1) & 0x1f) != 0) {
            throw Refusal.parameter(at + 1, 4);
        }
        int length = list.get(at + 7) & 0xff;
        if (length > 20) {
            throw Refusal.parameter(at + 7, -1);
        }
        byte[] bytes = new byte[length];
        list.get(at + 8, bytes);
        int codeSet = list.get(at + 4) & 0x0f;
        int type = list.get(at + 5) & 0x3f;
        LuNexus found = nexus.unit().copyDomain().find(nexus, new Designator(codeSet, type, bytes));
        if (found == null) {
            throw Refusal.of(Condition.COPY_TARGET_NOT_REACHABLE);
        }
        if ((list.getInt(at + 28) & 0xffffff) != found.unit().blockBytes()) {
            throw Refusal.parameter(at + 29, -1);
        }
        return found;
    }

    private static List<Segment> segments(ByteBuffer list, int from, int bytes, int targets) {
        List<Segment> segments = new ArrayList<>();
        int at = from;
        int end = from + bytes;
        while (at < end) {
            if (segments.size() == MAX_SEGMENTS) {
                throw Refusal.of(Condition.TOO_MANY_SEGMENT_DESCRIPTORS);
            }
            if ((list.get(at) & 0xff) != BLOCK_TO_BLOCK) {
                throw Refusal.of(
                        new Sense(
                                Condition.UNSUPPORTED_SEGMENT_DESCRIPTOR,
                                -1,
                                new Sense.FieldPointer(false, at, -1)));
            }
            if (end - at < SEGMENT_BYTES) {
                throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
            }
            if ((list.getShort(at + 2) & 0xffff) != SEGMENT_BYTES - 4) {
                throw Refusal.parameter(at + 2, -1);
            }
            int source = list.getShort(at + 4) & 0xffff;
            int destination = list.getShort(at + 6) & 0xffff;
            if (source >= targets || destination >= targets) {
                throw Refusal.of(Condition.UNREACHABLE_COPY_TARGET);
            }
            segments.add(
                    new Segment(
                            source,
                            destination,
                            list.getLong(at + 12),
                            list.getLong(at + 20),
                            list.getShort(at + 10) & 0xffff,
                            (list.get(at + 1) & DESTINATION_COUNT) != 0));
            at += SEGMENT_BYTES;
        }
        return segments;
    }
}
