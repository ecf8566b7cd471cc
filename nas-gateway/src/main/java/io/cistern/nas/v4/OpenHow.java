package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrReader;

/// How OPEN creates a file (createhow4).
///
/// @param mode 0 UNCHECKED4, 1 GUARDED4, 2 EXCLUSIVE4, 3 EXCLUSIVE4_1
record OpenHow(int mode, long verifier, Fattr4 attributes) {
    private static final int UNCHECKED = 0;
    private static final int GUARDED = 1;
    private static final int EXCLUSIVE = 2;
    private static final int EXCLUSIVE_WITH_ATTRIBUTES = 3;

    static OpenHow read(XdrReader in) {
        int mode = in.readEnum(EXCLUSIVE_WITH_ATTRIBUTES, "createmode4");
        long verifier = mode >= EXCLUSIVE ? in.readLong() : 0;
        return new OpenHow(mode, verifier, mode == EXCLUSIVE ? Fattr4.NONE : Fattr4.read(in));
    }

    boolean unchecked() {
        return mode == UNCHECKED;
    }

    boolean guarded() {
        return mode == GUARDED;
    }

    boolean exclusive() {
        return mode >= EXCLUSIVE;
    }

    /// Whether a file that exists is to be emptied.
    ///
    /// @throws io.cistern.nas.share.NfsException as [Settings#decode]
    boolean cutsOff() {
        Long size = unchecked() ? settings().set().size() : null;
        return size != null && size == 0;
    }

    /// @throws io.cistern.nas.share.NfsException as [Settings#decode]
    Settings settings() {
        return Settings.decode(attributes, exclusive());
    }
}
