package io.cistern.iscsi;

import io.cistern.iscsi.scsi.ScsiTarget;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The targets that a portal offers, kept up to date from the cluster's state. Any thread; never
/// blocks.
public interface TargetCatalog {
    /// In order of names.
    List<TargetEntry> targets();

    @Nullable TargetEntry find(String targetName);

    /// The device server of a target at this node; the same object as long as the target is
    /// exported and the volume stays open here. Null where it has just been unexported, or is being
    /// opened ([#find] knows it then).
    @Nullable ScsiTarget open(String targetName);

    /// Tells portals that a target was removed or its access rules changed, so that its sessions
    /// are ended or checked again.
    AutoCloseable onChange(Listener listener);

    interface Listener {
        void changed(String targetName);
    }

    /// @param name the iSCSI name, `iqn.2026-11.io.cistern:VOLUME`
    /// @param portalGroups every node's portal group, this node's included
    record TargetEntry(String name, List<PortalGroup> portalGroups, AccessRules access) {}

    /// The portals of one node. The tag is the node's number, 1..65535, and also its relative
    /// target port identifier and target port group (ALUA).
    ///
    /// @param addresses `host:port` or `[v6]:port`, as advertised
    record PortalGroup(int tag, List<String> addresses) {}

    /// Who may log in.
    ///
    /// @param initiators iSCSI names; empty: any
    /// @param chap null: no authentication asked
    /// @param mutual what the target proves itself with, null if it cannot
    record AccessRules(
            Set<String> initiators, @Nullable Credentials chap, @Nullable Credentials mutual) {}

    /// A CHAP name and secret. Never printed.
    record Credentials(String user, byte[] secret) {
        @Override
        public String toString() {
            return "Credentials[" + user + "]";
        }
    }
}
