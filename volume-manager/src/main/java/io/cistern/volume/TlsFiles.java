package io.cistern.volume;

import java.nio.file.Path;

/// PEM files for mutual TLS between the members and clients of one cluster.
///
/// @param certificate this process's chain
/// @param key its private key, PKCS#8
/// @param authority the only authority that peers are trusted by
public record TlsFiles(Path certificate, Path key, Path authority) {}
