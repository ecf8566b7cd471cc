package io.cistern.nas.state;

/// Names a session; 16 bytes: `client:8 boot:4 number:4`.
public record SessionId(long client, int boot, int number) {}
