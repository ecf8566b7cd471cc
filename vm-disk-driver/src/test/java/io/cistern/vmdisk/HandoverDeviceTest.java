package io.cistern.vmdisk;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.block.BlockDevice;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.block.MemoryBlockDevice;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// A guest that has just arrived reads and writes at once: what it reads while its volume is taken
/// over does not fail because the read-only attachment ends.
class HandoverDeviceTest {
    private static final int BLOCK = BlockDevice.BLOCK_BYTES;

    /// A device whose reads wait for `answer`, and then end as it does.
    private static BlockDevice reader(CompletableFuture<Void> answer) {
        BlockDevice empty = new MemoryBlockDevice(1 << 20);
        return (BlockDevice)
                Proxy.newProxyInstance(
                        BlockDevice.class.getClassLoader(),
                        new Class<?>[] {BlockDevice.class},
                        (proxy, method, arguments) ->
                                method.getName().equals("read")
                                        ? answer
                                        : method.invoke(empty, arguments));
    }

    @Test
    void aReadOnItsWayWhenTheVolumeIsTakenOverIsAnsweredByTheNewAttachment() throws Exception {
        CompletableFuture<Void> answer = new CompletableFuture<>();
        MemoryBlockDevice writer = new MemoryBlockDevice(1 << 20);
        HandoverDevice device = new HandoverDevice(reader(answer), () -> writer);
        ByteBuffer seen = ByteBuffer.allocate(BLOCK);
        CompletableFuture<Void> read = device.read(0, seen);
        ByteBuffer data = ByteBuffer.allocate(BLOCK).putInt(0, 77);
        device.write(0, data).get(10, TimeUnit.SECONDS);

        answer.completeExceptionally(
                new CisternException(ErrorCode.FENCED, "the attachment has ended"));
        read.get(10, TimeUnit.SECONDS);
        assertThat(seen.getInt(0)).isEqualTo(77);
    }
}
