package io.cistern.storage;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.rocksdb.RocksDBException;
import org.rocksdb.Status;

/// A damaged disk is set aside and filled anew. One that only cannot be opened just now must not
/// be.
class DiskSurroundingsTest {
    private static ErrorCode ofMap(Status.Code code, String message) {
        return MapDb.code(
                new RocksDBException(message, new Status(code, Status.SubCode.None, message)));
    }

    @Test
    void aMapThatCannotBeOpenedForWantOfSomethingIsNotDamaged() {
        assertThat(
                        ofMap(
                                Status.Code.IOError,
                                "While open a file for random read: 9.sst: Too many open files"))
                .isEqualTo(ErrorCode.IO);
        assertThat(ofMap(Status.Code.IOError, "While opendir: map: Permission denied"))
                .isEqualTo(ErrorCode.IO);
        assertThat(ofMap(Status.Code.IOError, "While lock file: map/LOCK: try again"))
                .isEqualTo(ErrorCode.BUSY);
        assertThat(ofMap(Status.Code.IOError, "While pread a block: map/9.sst: Input/output error"))
                .isEqualTo(ErrorCode.CORRUPT);
        assertThat(ofMap(Status.Code.IOError, "No such file or directory: map/9.sst"))
                .isEqualTo(ErrorCode.CORRUPT);
        assertThat(ofMap(Status.Code.Corruption, "bad block contents"))
                .isEqualTo(ErrorCode.CORRUPT);
    }

    @Test
    void neitherIsADiskWhoseFilesCannotBeOpenedForWantOfSomething() {
        Path disk = Path.of("disk");
        assertThat(DiskFiles.unusable(disk, new AccessDeniedException("disk/data")).code())
                .isEqualTo(ErrorCode.IO);
        assertThat(DiskFiles.unusable(disk, new IOException("open x: Too many open files")).code())
                .isEqualTo(ErrorCode.IO);
        assertThat(DiskFiles.unusable(disk, new IOException("x has an impossible size")).code())
                .isEqualTo(ErrorCode.CORRUPT);
    }
}
