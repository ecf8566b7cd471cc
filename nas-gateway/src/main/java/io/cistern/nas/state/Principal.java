package io.cistern.nas.state;

/// Who a client id belongs to, as far as AUTH_SYS tells.
///
/// @param flavor the RPC authentication flavor
public record Principal(int flavor, int uid, int gid) {}
