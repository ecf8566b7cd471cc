package io.cistern.iscsi.scsi;

/// PRE-FETCH (10) and (16) (SBC-3 5.9). There is no cache to fill on request: the range is checked
/// and nothing is read. GOOD rather than CONDITION MET: not everything is in a cache.
final class Prefetch implements Operation.Immediate {
    @Override
    public ScsiResult answer(Request request) {
        BlockRange.of(request.cdb()).check(request.unit(), Long.MAX_VALUE);
        return ScsiResult.good();
    }
}
