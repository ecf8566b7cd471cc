/// ONC RPC version 2 over TCP (RFC 5531), with RPC over TLS (RFC 9289).
@NullMarked
package io.cistern.nas.rpc;

import org.jspecify.annotations.NullMarked;
