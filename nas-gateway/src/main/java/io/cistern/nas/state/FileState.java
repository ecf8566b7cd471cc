package io.cistern.nas.state;

import java.util.ArrayList;
import java.util.List;

/// Opens and locks of one file. Guarded by [NfsState].
final class FileState {
    final FileKey key;
    final List<OpenState> opens = new ArrayList<>();
    final RangeLocks locks = new RangeLocks();
    final List<Delegation> delegations = new ArrayList<>();

    /// Changes under way, during which nobody is given a delegation.
    int changing;

    /// Its last name was taken away while it was open: the file system holds it for us.
    boolean held;

    FileState(FileKey key) {
        this.key = key;
    }

    boolean unused() {
        return opens.isEmpty() && delegations.isEmpty() && changing == 0;
    }

    /// Whether somebody has it open, or may have it open by a delegation.
    boolean inUse() {
        return !opens.isEmpty() || !delegations.isEmpty();
    }
}
