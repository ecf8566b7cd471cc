package io.cistern.vmdisk.vhost;

import io.cistern.block.BlockDevice;
import java.nio.charset.StandardCharsets;

/// What a socket offers.
///
/// @param name the volume's, also its serial number as far as that goes
public record Target(String name, BlockDevice device, boolean readOnly) {
    byte[] serial() {
        return name.getBytes(StandardCharsets.UTF_8);
    }
}
