package io.cistern.vmdisk;

import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The driver as a process: runs until SIGTERM, SIGINT or the command `stop`.
public final class DriverMain {
    private static final Logger LOG = LoggerFactory.getLogger(DriverMain.class);

    /// Exit status of a driver process that found another in its home: nobody should start it
    /// again.
    public static final int ALREADY_RUNS = 75;

    private DriverMain() {}

    /// Starts the driver of `home` and returns when it has stopped in order.
    ///
    /// On a signal the requests under way are answered and the sockets closed before the process
    /// ends. Nothing is detached: the next start takes up every attachment.
    ///
    /// @param bufferBytes limit of all request buffers; must fit the process's direct memory
    /// @throws io.cistern.block.CisternException as [DriverDaemon#start]
    public static void run(Path home, VolumeOpener opener, long bufferBytes)
            throws InterruptedException {
        Path absolute = home.toAbsolutePath().normalize();
        DriverDaemon daemon = DriverDaemon.start(absolute, opener, bufferBytes, NbdLimits.DEFAULT);
        CountDownLatch stopAsked = new CountDownLatch(1);
        CountDownLatch stopped = new CountDownLatch(1);
        ControlServer control = ControlServer.start(daemon, stopAsked::countDown);
        Runtime.getRuntime()
                .addShutdownHook(
                        new Thread(
                                () -> {
                                    stopAsked.countDown();
                                    awaitQuietly(stopped);
                                },
                                "driver-stop"));
        LOG.info("driver runs in {}", absolute);
        stopAsked.await();
        control.close();
        daemon.close();
        LOG.info("driver in {} has stopped", absolute);
        stopped.countDown();
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
