package io.cistern.iscsi.scsi;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How a nexus' last EXTENDED COPY commands went, for RECEIVE COPY RESULTS (SPC-4 5.16.4.5).
/// Thread-safe.
final class CopyResults {
    /// Results kept; older ones are forgotten.
    static final int LIMIT = 16;

    /// @param segments segment descriptors processed
    /// @param bytes copied
    /// @param sense of a copy that failed, null while it runs or if it succeeded
    /// @param running true until the command has ended
    record Result(int segments, long bytes, @Nullable Sense sense, boolean running) {}

    private final Map<Integer, Result> byList = new LinkedHashMap<>();

    /// @return false where a copy with that list identifier is running
    synchronized boolean begin(int list) {
        Result present = byList.get(list);
        if (present != null && present.running()) {
            return false;
        }
        put(list, new Result(0, 0, null, true));
        return true;
    }

    synchronized void put(int list, Result result) {
        byList.remove(list);
        byList.put(list, result);
        if (byList.size() > LIMIT) {
            byList.remove(byList.keySet().iterator().next());
        }
    }

    synchronized void forget(int list) {
        byList.remove(list);
    }

    synchronized @Nullable Result get(int list) {
        return byList.get(list);
    }
}
