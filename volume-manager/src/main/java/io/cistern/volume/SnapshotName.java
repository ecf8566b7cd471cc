package io.cistern.volume;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.Names;

/// `VOLUME@SNAPSHOT`.
public record SnapshotName(String volume, String snapshot) {
    public SnapshotName {
        Names.check("volume name", volume);
        Names.check("snapshot name", snapshot);
    }

    /// @throws CisternException INVALID where `text` is not `VOLUME@SNAPSHOT`
    public static SnapshotName parse(String text) {
        int at = text.indexOf('@');
        if (at < 0) {
            throw new CisternException(
                    ErrorCode.INVALID, "'" + text + "' names no snapshot: write VOLUME@SNAPSHOT");
        }
        return new SnapshotName(text.substring(0, at), text.substring(at + 1));
    }

    @Override
    public String toString() {
        return volume + "@" + snapshot;
    }
}
