package io.cistern.iscsi;

import java.io.IOException;

/// Serves a volume in memory until its input ends: `java … io.cistern.iscsi.ServeMemory` prints the
/// URL that tools are to use.
final class ServeMemory {
    private ServeMemory() {}

    public static void main(String[] args) throws IOException {
        try (Served served = Served.open()) {
            System.out.println(served.url());
            while (System.in.read() >= 0) {}
            System.out.println(served.portal.metrics());
        }
    }
}
