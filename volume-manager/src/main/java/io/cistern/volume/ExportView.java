package io.cistern.volume;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// What is exported over iSCSI, as one node knows it now; for that node's portal. Any thread; no
/// method blocks.
public interface ExportView {
    /// In order of the volumes' names.
    List<Exported> exports();

    /// Nodes that have a number, in order of numbers. A node without portals has no addresses.
    List<PortalNode> nodes();

    /// Bytes that `volume` maps, as last asked for; the question is asked again in the background
    /// if the answer is old. -1 before the first answer.
    long usedBytes(long volume);

    /// Bytes that the pool could still map for a volume of `group`: what its fullest member has.
    long availableBytes(long group);

    /// Calls `listener` after each change of [#exports] or [#nodes], until the handle is closed.
    AutoCloseable onChange(Runnable listener);

    /// @param group where the volume lives
    record Exported(
            long volumeId,
            String volume,
            long group,
            List<String> initiators,
            IscsiExport.@Nullable Chap chap,
            IscsiExport.@Nullable Chap mutual,
            int blockBytes) {}

    /// @param number 1..65535, never used again
    /// @param up false once it has not answered for some seconds
    record PortalNode(int number, String name, List<String> addresses, boolean up) {}
}
