package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// MODE SENSE (6) and (10) (SPC-4 6.13, 6.14).
final class ModeSense implements Operation.Immediate {
    private static final int ALL_PAGES = 0x3f;
    private static final int ALL_SUBPAGES = 0xff;
    private static final int MAX_BYTES = 512;
    private static final int CHANGEABLE = 1;
    private static final int DEFAULT = 2;
    private static final int SAVED = 3;

    @Override
    public ScsiResult answer(Request request) {
        Cdb cdb = request.cdb();
        LogicalUnit unit = request.unit();
        boolean six = cdb.operationCode() == Opcodes.MODE_SENSE_6;
        List<ModePage> pages = wanted(cdb.u8(2) & 0x3f, cdb.u8(3));
        boolean descriptor = !cdb.bit(1, 3);
        boolean longLba = !six && cdb.bit(1, 4);
        ByteBuffer out = ByteBuffer.allocate(MAX_BYTES);
        out.position(six ? 4 : 8);
        if (descriptor) {
            descriptor(out, unit, longLba);
        }
        int descriptorBytes = out.position() - (six ? 4 : 8);
        for (ModePage page : pages) {
            out.put(bytes(page, cdb.u8(2) >> 6, request.state()));
        }
        boolean protectedMedium = unit.device().readOnly() || request.state().mode().writeProtect();
        byte specific = (byte) ((protectedMedium ? 0x80 : 0) | 0x10); // WP, DPOFUA
        if (six) {
            out.put(0, (byte) (out.position() - 1));
            out.put(2, specific).put(3, (byte) descriptorBytes);
        } else {
            out.putShort(0, (short) (out.position() - 2));
            out.put(3, specific).put(4, (byte) (longLba ? 1 : 0));
            out.putShort(6, (short) descriptorBytes);
        }
        return Request.reply(out, six ? cdb.u8(4) : cdb.u16(7));
    }

    private static List<ModePage> wanted(int code, int subpage) {
        if (code != ALL_PAGES && subpage != ALL_SUBPAGES) {
            ModePage page = ModePage.find(code, subpage);
            if (page == null) {
                boolean known = ModePage.ALL.stream().anyMatch(each -> each.code() == code);
                throw known ? Refusal.cdb(3, -1) : Refusal.cdb(2, 5);
            }
            return List.of(page);
        }
        if (subpage != 0 && subpage != ALL_SUBPAGES) {
            throw Refusal.cdb(3, -1);
        }
        List<ModePage> pages = new ArrayList<>();
        for (ModePage page : ModePage.ALL) {
            if ((code == ALL_PAGES || page.code() == code)
                    && (subpage == ALL_SUBPAGES || page.subpage() == 0)) {
                pages.add(page);
            }
        }
        if (pages.isEmpty()) {
            throw Refusal.cdb(2, 5);
        }
        return pages;
    }

    private static byte[] bytes(ModePage page, int control, ScsiState state) {
        return switch (control) {
            case CHANGEABLE -> page.changeable();
            case DEFAULT -> page.encode(ModeSettings.DEFAULT);
            case SAVED -> page.encode(state.savedMode());
            default -> page.encode(state.mode());
        };
    }

    private static void descriptor(ByteBuffer out, LogicalUnit unit, boolean longLba) {
        long blocks = unit.capacityBlocks();
        if (longLba) {
            out.putLong(blocks).putInt(0).putInt(unit.blockBytes());
        } else {
            out.putInt((int) Math.min(blocks, 0xffffffffL)).putInt(unit.blockBytes());
        }
    }
}
