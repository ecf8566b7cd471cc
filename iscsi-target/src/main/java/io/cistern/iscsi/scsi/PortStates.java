package io.cistern.iscsi.scsi;

import java.util.List;

/// Asymmetric access of the target ports to one logical unit (SPC-4 5.15): the port of the node
/// that leads the volume's group is active/optimized, the others are active/non-optimized or, where
/// their node is down, unavailable. Any thread; never blocks.
public interface PortStates {
    enum AccessState {
        OPTIMIZED(0x0),
        NON_OPTIMIZED(0x1),
        UNAVAILABLE(0x3);

        private final int code;

        AccessState(int code) {
            this.code = code;
        }

        /// SPC-4 table 299.
        public int code() {
            return code;
        }
    }

    /// One target port group with its one target port; both identifiers are `tag`.
    record Port(int tag, AccessState state) {}

    /// In order of tags.
    List<Port> ports();

    /// Calls `listener` after each change of [#ports], until the handle is closed.
    AutoCloseable onChange(Runnable listener);
}
