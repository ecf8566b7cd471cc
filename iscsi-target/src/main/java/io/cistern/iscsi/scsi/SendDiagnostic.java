package io.cistern.iscsi.scsi;

/// SEND DIAGNOSTIC (SPC-4 6.42) with the default self-test, or with nothing: passed if the shared
/// state could be asked for, which is done before this runs. There are no diagnostic pages and no
/// other self-tests.
final class SendDiagnostic implements Operation.Immediate {
    @Override
    public ScsiResult answer(Request request) {
        return ScsiResult.good();
    }
}
