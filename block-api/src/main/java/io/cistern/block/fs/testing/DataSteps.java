package io.cistern.block.fs.testing;

import io.cistern.block.fs.Call;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileResults.Data;
import io.cistern.block.fs.SetAttributes;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;

/// Random operations on files' contents. One thread.
final class DataSteps {
    private final FileModel model;
    private final Random random;

    DataSteps(FileModel model, Random random) {
        this.model = model;
        this.random = random;
    }

    /// Near the borders of extents and blocks, or far away.
    private long offset() {
        return switch (random.nextInt(6)) {
            case 0 -> random.nextInt(10_000);
            case 1 -> (64L << 10) - 5_000 + random.nextInt(10_000);
            case 2 -> (256L << 10) - 5_000 + random.nextInt(10_000);
            case 3 -> random.nextInt(100) * 4096L;
            case 4 -> random.nextInt(600 << 10);
            default -> (2L << 40) - 5_000 + random.nextInt(10_000);
        };
    }

    void truncate() {
        ModelFile file = model.regular();
        if (file == null) {
            return;
        }
        Credentials who = model.user();
        long size = random.nextInt(3) == 0 ? 0 : offset();
        Object done =
                FileModel.attempt(
                        "truncate " + file.id + " to " + size,
                        file.mayWriteData(who),
                        () ->
                                model.fs()
                                        .setAttributes(
                                                Call.of(who),
                                                file.id,
                                                SetAttributes.ofSize(size),
                                                null));
        if (done != null) {
            file.resize(size);
            file.written(who);
        }
    }

    void write() {
        ModelFile file = model.regular();
        if (file == null) {
            return;
        }
        Credentials who = model.user();
        long offset = offset();
        byte[] data = new byte[1 + random.nextInt(random.nextInt(4) == 0 ? 200_000 : 9_000)];
        if (random.nextInt(3) == 0) {
            offset &= -4096L;
            data = new byte[4096 * (1 + random.nextInt(3))];
        }
        random.nextBytes(data);
        long at = offset;
        byte[] bytes = data;
        Object done =
                FileModel.attempt(
                        "write " + file.id,
                        file.mayWriteData(who),
                        () -> model.fs().write(Call.of(who), file.id, at, ByteBuffer.wrap(bytes)));
        if (done != null) {
            file.write(at, bytes);
            file.written(who);
        }
    }

    void punch() {
        ModelFile file = model.regular();
        if (file == null) {
            return;
        }
        Credentials who = model.user();
        long offset = offset();
        long length = 1 + random.nextInt(100_000);
        boolean allocate = random.nextInt(3) == 0;
        Object done =
                FileModel.attempt(
                        "punch " + file.id,
                        file.mayWriteData(who),
                        () ->
                                allocate
                                        ? model.fs().allocate(Call.of(who), file.id, offset, length)
                                        : model.fs()
                                                .deallocate(Call.of(who), file.id, offset, length));
        if (done != null) {
            if (allocate) {
                file.allocate(offset, length);
                file.written(who);
            } else if (offset < file.size) {
                file.zero(offset, length);
                file.written(who);
            }
        }
    }

    void read() {
        ModelFile file = model.regular();
        if (file == null) {
            return;
        }
        Credentials who = model.user();
        long offset = offset();
        int length = random.nextInt(100_000);
        byte[] used = new byte[length];
        Arrays.fill(used, (byte) 0x5a); // as of a buffer that had others' bytes before
        Data data =
                FileModel.attempt(
                        "read " + file.id,
                        file.mayReadData(who),
                        () -> model.fs().read(who, file.id, offset, ByteBuffer.wrap(used)));
        if (data != null) {
            byte[] got = new byte[data.bytes().remaining()];
            data.bytes().get(got);
            byte[] want = file.read(offset, length);
            FileModel.check(Arrays.equals(got, want), "bytes of " + file.id + " at " + offset);
            FileModel.check(data.end() == (offset + want.length >= file.size), "end of file");
        }
    }
}
