package io.cistern.storage;

/// Told about the steps of what must survive a crash in between, so that tests can crash there.
@FunctionalInterface
interface Probe {
    Probe NONE = step -> {};

    enum Step {
        CHECKPOINT_FROZEN,
        DATA_SYNCED,
        BATCH_WRITTEN,
        MAP_FLUSHED,
        MARK_WRITTEN,
        GROUP_HALF_DROPPED
    }

    void at(Step step);
}
