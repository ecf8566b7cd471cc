package io.cistern.chaos;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// Jobs of fio that write blocks which carry their own CRC32C and then read all of them back. Any
/// error, lost write or wrong byte ends them with a status other than 0.
final class Fio {
    /// Longer than any failover, restart and verification takes on a busy machine.
    static final Duration LIMIT = Duration.ofMinutes(3);

    private Fio() {}

    /// Over NBD.
    ///
    /// @param mib how much is written, in random order
    /// @param writesPerSecond slows the job down, so that faults meet it
    static List<String> overNbd(String volume, Path socket, int mib, int writesPerSecond) {
        return List.of(
                "fio",
                "--name=verified",
                "--ioengine=nbd",
                "--uri=" + LocalCluster.uri(volume, socket),
                "--rw=randwrite",
                "--bs=4k",
                "--iodepth=16",
                "--size=" + mib + "m",
                "--rate_iops=," + writesPerSecond,
                "--verify=crc32c",
                "--verify_fatal=1",
                "--do_verify=1");
    }

    /// In a guest, on its disk.
    static String inGuest(int mib, int writesPerSecond) {
        return "fio --name=verified --filename=/dev/vda --ioengine=libaio --direct=1 --rw=randwrite --bs=4k"
                + " --iodepth=8 --size="
                + mib
                + "m --rate_iops=,"
                + writesPerSecond
                + " --verify=crc32c --verify_fatal=1 --do_verify=1";
    }

    /// Starts passes over a disk of the guest, each of which writes every block in an order of its
    /// own and reads all of them back, until `/run/stop` is there. Then `/run/passes-DISK` says how
    /// many there were; what fio says of the last is in `/run/load-DISK`.
    static String inGuestUntilStopped(String disk, int mib, int writesPerSecond) {
        return inGuestUntilStopped(disk, "/dev/" + disk, mib, writesPerSecond);
    }

    /// The same over a file.
    ///
    /// @param name in place of the disk's
    static String inGuestUntilStopped(String name, String file, int mib, int writesPerSecond) {
        return "( pass=0; end='none failed'; while [ ! -e /run/stop ]; do pass=$((pass + 1));"
                + " fio --name=verified --filename="
                + file
                + " --ioengine=libaio --direct=1 --rw=randwrite --bs=4k --iodepth=8 --size="
                + mib
                + "m --rate_iops=,"
                + writesPerSecond
                + " --randseed=$pass --verify=crc32c --verify_fatal=1 --do_verify=1"
                + " > /run/load-"
                + name
                + " 2>&1 || { end=failed; break; }; done; echo \"$pass whole passes, $end\" > /run/passes.new-"
                + name
                + "; mv /run/passes.new-"
                + name
                + " /run/passes-"
                + name
                + " ) > /dev/null 2>&1 &";
    }
}
