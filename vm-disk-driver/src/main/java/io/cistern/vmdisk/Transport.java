package io.cistern.vmdisk;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// How a client reaches an attached volume.
public enum Transport {
    /// NBD on a Unix socket: for QEMU, qemu-img, nbdcopy, libnbd, fio.
    NBD(".nbd"),
    /// vhost-user-blk on a Unix socket: for running guests of QEMU, which share their memory.
    VHOST_USER(".vhost");

    private final String suffix;

    Transport(String suffix) {
        this.suffix = suffix;
    }

    /// What default socket names end with.
    String suffix() {
        return suffix;
    }

    /// The name that users see: `nbd`, `vhost-user`.
    public String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// @param word null for the default, NBD
    /// @throws CisternException INVALID
    public static Transport of(@Nullable String word) {
        if (word == null) {
            return NBD;
        }
        for (Transport known : values()) {
            if (known.word().equals(word.toLowerCase(Locale.ROOT).replace('_', '-'))) {
                return known;
            }
        }
        throw new CisternException(
                ErrorCode.INVALID, "'" + word + "' is no transport: use nbd or vhost-user");
    }
}
