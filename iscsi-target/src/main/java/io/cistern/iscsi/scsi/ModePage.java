package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A mode page: its bytes under given settings, which of its bits an initiator can change, and the
/// settings that changed bytes mean.
sealed interface ModePage {
    /// In ascending order, as pages are returned.
    List<ModePage> ALL =
            List.of(
                    new ErrorRecovery(),
                    new Caching(),
                    new Control(),
                    new InformationalExceptions(),
                    new Provisioning());

    int code();

    /// 0 for a page in page_0 format.
    int subpage();

    /// The whole page with its header, PS set.
    byte[] encode(ModeSettings settings);

    /// As [#encode], but with a one for each bit that can be changed.
    byte[] changeable();

    /// What the settings become.
    ///
    /// @param page as long as [#encode]'s, equal to it where bits cannot be changed
    ModeSettings apply(byte[] page, ModeSettings settings);

    static @Nullable ModePage find(int code, int subpage) {
        for (ModePage page : ALL) {
            if (page.code() == code && page.subpage() == subpage) {
                return page;
            }
        }
        return null;
    }

    private static byte[] page(int code, int bytes) {
        byte[] page = new byte[bytes];
        page[0] = (byte) (0x80 | code);
        page[1] = (byte) (bytes - 2);
        return page;
    }

    /// Read-Write Error Recovery (SBC-3 6.5.8): LBPERE.
    record ErrorRecovery() implements ModePage {
        @Override
        public int code() {
            return 0x01;
        }

        @Override
        public int subpage() {
            return 0;
        }

        @Override
        public byte[] encode(ModeSettings settings) {
            byte[] page = page(code(), 12);
            page[2] = (byte) 0xc0; // AWRE, ARRE: replicas mend each other
            page[3] = (byte) (settings.thresholdEvents() ? 0x80 : 0);
            return page;
        }

        @Override
        public byte[] changeable() {
            byte[] mask = page(code(), 12);
            mask[3] = (byte) 0x80;
            return mask;
        }

        @Override
        public ModeSettings apply(byte[] page, ModeSettings s) {
            return new ModeSettings(
                    s.descriptorSense(),
                    s.taskAbortedStatus(),
                    s.writeProtect(),
                    (page[3] & 0x80) != 0,
                    s.availableThreshold(),
                    s.usedThreshold());
        }
    }

    /// Caching (SBC-3 6.5.6): WCE = 0, every completed write is durable.
    record Caching() implements ModePage {
        @Override
        public int code() {
            return 0x08;
        }

        @Override
        public int subpage() {
            return 0;
        }

        @Override
        public byte[] encode(ModeSettings settings) {
            return page(code(), 20);
        }

        @Override
        public byte[] changeable() {
            return page(code(), 20);
        }

        @Override
        public ModeSettings apply(byte[] page, ModeSettings settings) {
            return settings;
        }
    }

    /// Control (SPC-4 7.5.8): D_SENSE, SWP, TAS; one task set, unrestricted reordering.
    record Control() implements ModePage {
        @Override
        public int code() {
            return 0x0a;
        }

        @Override
        public int subpage() {
            return 0;
        }

        @Override
        public byte[] encode(ModeSettings settings) {
            byte[] page = page(code(), 12);
            page[2] = (byte) (0x02 | (settings.descriptorSense() ? 0x04 : 0)); // GLTSD
            page[3] = 0x10;
            page[4] = (byte) (settings.writeProtect() ? 0x08 : 0);
            page[5] = (byte) (settings.taskAbortedStatus() ? 0x40 : 0);
            page[8] = (byte) 0xff; // busy for an unlimited time
            page[9] = (byte) 0xff;
            return page;
        }

        @Override
        public byte[] changeable() {
            byte[] mask = page(code(), 12);
            mask[2] = 0x04;
            mask[4] = 0x08;
            mask[5] = 0x40;
            return mask;
        }

        @Override
        public ModeSettings apply(byte[] page, ModeSettings s) {
            return new ModeSettings(
                    (page[2] & 0x04) != 0,
                    (page[5] & 0x40) != 0,
                    (page[4] & 0x08) != 0,
                    s.thresholdEvents(),
                    s.availableThreshold(),
                    s.usedThreshold());
        }
    }

    /// Informational Exceptions Control (SPC-4 7.5.11): nothing is reported this way.
    record InformationalExceptions() implements ModePage {
        @Override
        public int code() {
            return 0x1c;
        }

        @Override
        public int subpage() {
            return 0;
        }

        @Override
        public byte[] encode(ModeSettings settings) {
            byte[] page = page(code(), 12);
            page[2] = 0x08; // DEXCPT
            return page;
        }

        @Override
        public byte[] changeable() {
            return page(code(), 12);
        }

        @Override
        public ModeSettings apply(byte[] page, ModeSettings settings) {
            return settings;
        }
    }

    /// Logical Block Provisioning (SBC-3 6.5.7): a soft threshold each for what is left in the pool
    /// (decreasing) and for what the volume has mapped (increasing).
    record Provisioning() implements ModePage {
        private static final int AVAILABLE_AT = 16;
        private static final int USED_AT = 24;
        private static final int BYTES = 32;

        @Override
        public int code() {
            return 0x1c;
        }

        @Override
        public int subpage() {
            return 0x02;
        }

        @Override
        public byte[] encode(ModeSettings settings) {
            ByteBuffer page = header();
            threshold(page, AVAILABLE_AT, 0, 1, settings.availableThreshold());
            threshold(page, USED_AT, 1, 2, settings.usedThreshold());
            return page.array();
        }

        @Override
        public byte[] changeable() {
            ByteBuffer mask = header();
            for (int at = AVAILABLE_AT; at <= USED_AT; at += USED_AT - AVAILABLE_AT) {
                mask.put(at, (byte) 0x80).putInt(at + 4, -1);
            }
            return mask.array();
        }

        @Override
        public ModeSettings apply(byte[] page, ModeSettings s) {
            ByteBuffer in = ByteBuffer.wrap(page);
            return new ModeSettings(
                    s.descriptorSense(),
                    s.taskAbortedStatus(),
                    s.writeProtect(),
                    s.thresholdEvents(),
                    count(in, AVAILABLE_AT),
                    count(in, USED_AT));
        }

        private ByteBuffer header() {
            ByteBuffer page = ByteBuffer.allocate(BYTES);
            page.put((byte) (0xc0 | code())).put((byte) subpage()).putShort((short) (BYTES - 4));
            return page;
        }

        private static void threshold(
                ByteBuffer page, int at, int arming, int resource, long count) {
            page.put(at, (byte) ((count > 0 ? 0x80 : 0) | arming));
            page.put(at + 1, (byte) resource);
            page.putInt(at + 4, (int) count);
        }

        private static long count(ByteBuffer in, int at) {
            return in.get(at) < 0 ? in.getInt(at + 4) & 0xffffffffL : 0;
        }
    }
}
