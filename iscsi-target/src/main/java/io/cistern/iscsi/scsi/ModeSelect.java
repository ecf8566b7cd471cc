package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;

/// MODE SELECT (6) and (10) (SPC-4 6.11, 6.12). The whole list is checked before any of it takes
/// effect; the other nexuses, at every node, are told that parameters changed.
final class ModeSelect implements Operation {
    @Override
    public long dataOutLength(Cdb cdb, LogicalUnit unit) {
        return six(cdb) ? cdb.u8(4) : cdb.u16(7);
    }

    @Override
    public CompletableFuture<ScsiResult> execute(Request request) {
        Cdb cdb = request.cdb();
        int length = (int) dataOutLength(cdb, request.unit());
        if (length == 0) {
            return CompletableFuture.completedFuture(ScsiResult.good());
        }
        if (!cdb.bit(1, 4)) {
            throw Refusal.cdb(1, 4); // vendor specific pages
        }
        ByteBuffer list = request.dataOut(length);
        int pagesAt = header(list, six(cdb), request.unit());
        boolean save = cdb.bit(1, 0);
        return request.update(
                        state -> {
                            ModeSettings mode = apply(list, pagesAt, state.mode());
                            ModeSettings saved = save ? mode : state.savedMode();
                            if (mode.equals(state.mode()) && saved.equals(state.savedMode())) {
                                return state;
                            }
                            ScsiState.Draft draft = state.draft();
                            draft.mode = mode;
                            draft.savedMode = saved;
                            draft.event(SharedEvent.Kind.MODE_CHANGED, request.nexusId());
                            return draft.build();
                        })
                .thenApply(view -> ScsiResult.good());
    }

    private static boolean six(Cdb cdb) {
        return cdb.operationCode() == Opcodes.MODE_SELECT_6;
    }

    /// Checks the header and the block descriptor, which may only state what is the case.
    ///
    /// @return where the pages begin
    private static int header(ByteBuffer list, boolean six, LogicalUnit unit) {
        int bytes = six ? 4 : 8;
        if (list.limit() < bytes) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        int descriptors = six ? list.get(3) & 0xff : list.getShort(6) & 0xffff;
        boolean longLba = !six && (list.get(4) & 1) != 0;
        if (descriptors > list.limit() - bytes) {
            throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
        }
        if (descriptors == 0) {
            return bytes;
        }
        if (descriptors != (longLba ? 16 : 8)) {
            throw Refusal.parameter(six ? 3 : 6, -1);
        }
        long blocks = longLba ? list.getLong(bytes) : list.getInt(bytes) & 0xffffffffL;
        long now = unit.capacityBlocks();
        boolean unlimited = blocks == (longLba ? -1L : 0xffffffffL);
        if (blocks != 0 && blocks != now && !unlimited) {
            throw Refusal.parameter(bytes, -1);
        }
        int lengthAt = bytes + (longLba ? 12 : 4);
        int length = longLba ? list.getInt(lengthAt) : list.getInt(lengthAt) & 0xffffff;
        if (length != unit.blockBytes()) {
            throw Refusal.parameter(longLba ? lengthAt : lengthAt + 1, -1);
        }
        return bytes + descriptors;
    }

    private static ModeSettings apply(ByteBuffer list, int from, ModeSettings settings) {
        ModeSettings result = settings;
        int at = from;
        while (at < list.limit()) {
            boolean subpageFormat = (list.get(at) & 0x40) != 0;
            int header = subpageFormat ? 4 : 2;
            if (list.limit() - at < header) {
                throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
            }
            int code = list.get(at) & 0x3f;
            int subpage = subpageFormat ? list.get(at + 1) & 0xff : 0;
            int length = subpageFormat ? list.getShort(at + 2) & 0xffff : list.get(at + 1) & 0xff;
            ModePage page = ModePage.find(code, subpage);
            if (page == null) {
                throw Refusal.parameter(at, 5);
            }
            byte[] now = page.encode(result);
            if (header + length != now.length) {
                throw Refusal.parameter(at + header - (subpageFormat ? 2 : 1), -1);
            }
            if (list.limit() - at < now.length) {
                throw Refusal.of(Condition.PARAMETER_LIST_LENGTH_ERROR);
            }
            byte[] wanted = new byte[now.length];
            list.get(at, wanted);
            checkUnchangeable(page, now, wanted, at, header);
            result = page.apply(wanted, result);
            at += now.length;
        }
        return result;
    }

    private static void checkUnchangeable(
            ModePage page, byte[] now, byte[] wanted, int at, int header) {
        byte[] mask = page.changeable();
        for (int i = header; i < now.length; i++) {
            int wrong = (now[i] ^ wanted[i]) & ~mask[i] & 0xff;
            if (wrong != 0) {
                throw Refusal.parameter(at + i, 31 - Integer.numberOfLeadingZeros(wrong));
            }
        }
    }
}
