package io.cistern.volume.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;

/// The real qemu-img, and images for it.
public final class QemuImg {
    private QemuImg() {}

    /// Runs it; fails unless it ends with 0.
    public static String run(String... arguments) throws IOException, InterruptedException {
        String[] command = new String[arguments.length + 1];
        command[0] = "qemu-img";
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }

    /// A sparse raw file: stretches of random bytes, of zeroes, of compressible bytes, and holes.
    public static void sparse(Path file, long size, long seed) throws IOException {
        Random random = new Random(seed);
        try (FileChannel out =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.SPARSE,
                        StandardOpenOption.WRITE)) {
            out.write(ByteBuffer.allocate(1), size - 1);
            for (long at = 0; at < size; ) {
                int length = (int) Math.min(size - at, 512L * (1 + random.nextInt(600)));
                byte[] data = new byte[length];
                int kind = random.nextInt(4);
                if (kind == 1) {
                    random.nextBytes(data);
                } else if (kind == 2) {
                    java.util.Arrays.fill(data, (byte) random.nextInt());
                }
                if (kind != 3) {
                    out.write(ByteBuffer.wrap(data), at);
                }
                at += length;
            }
        }
    }
}
