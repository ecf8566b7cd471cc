package io.cistern.iscsi.scsi;

/// TEST UNIT READY (SPC-4 6.47): ready if the shared state could be asked for, which is done before
/// this runs.
final class TestUnitReady implements Operation.Immediate {
    @Override
    public ScsiResult answer(Request request) {
        return ScsiResult.good();
    }
}
