package io.cistern.vmdisk;

import java.nio.file.Path;

/// The driver as a process of its own over [FileVolumes]: `FileDriverMain HOME VOLUMES`.
final class FileDriverMain {
    private FileDriverMain() {}

    public static void main(String[] args) throws InterruptedException {
        DriverMain.run(Path.of(args[0]), new FileVolumes(Path.of(args[1])), 256 << 20);
    }
}
