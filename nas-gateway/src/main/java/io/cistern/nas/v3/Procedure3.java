package io.cistern.nas.v3;

import io.cistern.nas.xdr.XdrReader;

/// Decodes a call's arguments, carries it out and writes its result.
@FunctionalInterface
interface Procedure3 {
    void run(Request3 request, XdrReader in);
}
