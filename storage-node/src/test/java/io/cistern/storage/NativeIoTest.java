package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeIoTest {
    @TempDir Path directory;

    @Test
    void theKernelIsToldToBeginToWrite() throws Exception {
        Path path = directory.resolve("slots");
        NativeFile.FACTORY.create(path, 4 << 20).close();
        int fd = NativeIo.open(path.toString(), NativeIo.O_RDWR, 0);
        assertThat(NativeIo.beginWriting(fd)).isZero();
        assertThat(NativeIo.close(fd)).isZero();
        assertThat(NativeIo.beginWriting(-1)).isEqualTo(-NativeIo.EBADF);
    }

    @Test
    void whatIsWrittenAheadIsThere() throws Exception {
        try (DataFile file = NativeFile.FACTORY.create(directory.resolve("slots"), 4 << 20)) {
            ByteBuffer data = ByteBuffer.allocateDirect(64 << 10);
            for (int at = 0; at < 4 << 20; at += data.capacity()) {
                data.clear().putInt(0, at);
                file.write(at, data);
            }
            file.sync();
            for (int at = 0; at < 4 << 20; at += data.capacity()) {
                file.read(at, data.clear());
                assertThat(data.getInt(0)).isEqualTo(at);
            }
        }
    }
}
