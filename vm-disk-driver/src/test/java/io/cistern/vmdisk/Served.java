package io.cistern.vmdisk;

import io.cistern.block.BlockDevice;
import io.cistern.block.MemoryBlockDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// A memory device served over NBD in a directory of its own, for one test.
final class Served implements AutoCloseable {
    static final String NAME = "disk";

    final MemoryBlockDevice device;
    final NbdServer server;
    final BufferPool pool = new BufferPool(256 << 20);
    private final Path directory;

    Served(long sizeBytes) throws IOException {
        this(new MemoryBlockDevice(sizeBytes), false, NbdLimits.DEFAULT);
    }

    Served(MemoryBlockDevice device, boolean readOnly, NbdLimits limits) throws IOException {
        this.device = device;
        this.directory = Files.createTempDirectory("cistern-nbd");
        this.server = open(device, readOnly, directory.resolve("s"), pool, limits);
    }

    private static NbdServer open(
            BlockDevice device, boolean readOnly, Path socket, BufferPool pool, NbdLimits limits) {
        return NbdServer.open(new Export(NAME, device, readOnly), socket, pool, limits);
    }

    Path socket() {
        return server.socket();
    }

    String uri() {
        return "nbd+unix:///" + NAME + "?socket=" + socket();
    }

    Path file(String name) {
        return directory.resolve(name);
    }

    @Override
    public void close() throws IOException {
        server.close();
        try (var files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }
}
