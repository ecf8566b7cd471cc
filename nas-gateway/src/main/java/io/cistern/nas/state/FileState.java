package io.cistern.nas.state;

import java.util.ArrayList;
import java.util.List;

/// Opens and locks of one file. Guarded by [NfsState].
final class FileState {
    final FileKey key;
    final List<OpenState> opens = new ArrayList<>();
    final RangeLocks locks = new RangeLocks();

    /// Its last name was taken away while it was open: the file system holds it for us.
    boolean held;

    FileState(FileKey key) {
        this.key = key;
    }
}
