package io.cistern.raft.net;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// Certificates made by openssl for one test.
public final class TestCertificates {
    private TestCertificates() {}

    /// A new authority and one node certificate that it signed, in `directory`.
    public static TlsConfig create(Path directory) throws IOException, InterruptedException {
        Path caKey = directory.resolve("ca.key");
        Path ca = directory.resolve("ca.pem");
        Path key = directory.resolve("node.key");
        Path request = directory.resolve("node.csr");
        Path chain = directory.resolve("node.pem");
        run(
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
                        + " -subj /CN=ca -keyout "
                        + caKey
                        + " -out "
                        + ca);
        run(
                "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=node"
                        + " -keyout "
                        + key
                        + " -out "
                        + request);
        run(
                "openssl x509 -req -days 2 -CAcreateserial -in "
                        + request
                        + " -CA "
                        + ca
                        + " -CAkey "
                        + caKey
                        + " -out "
                        + chain);
        return new TlsConfig(chain, key, ca);
    }

    private static void run(String command) throws IOException, InterruptedException {
        Process process =
                new ProcessBuilder(List.of(command.split(" "))).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        if (process.waitFor() != 0) {
            throw new IOException(command + " failed: " + output);
        }
    }
}
