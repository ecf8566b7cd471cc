package io.cistern.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;

class MemoryGuardedDeviceTest {
    private final MemoryGuardedDevice first = new MemoryGuardedDevice(1 << 20);
    private final MemoryGuardedDevice second = first.portal();

    private static ByteBuffer text(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
    }

    private static String read(MemoryGuardedDevice device, long offset, int length) {
        ByteBuffer out = ByteBuffer.allocate(length);
        device.read(offset, out).join();
        return new String(out.array(), StandardCharsets.US_ASCII);
    }

    private static void changed(CompletableFuture<?> request) {
        assertThatThrownBy(request::join)
                .isInstanceOf(CompletionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        CisternException.class,
                        e -> assertThat(e.code()).isEqualTo(ErrorCode.CHANGED));
    }

    @Test
    void portalsShareBytesAndRecord() {
        List<Long> told = new ArrayList<>();
        second.onRecord(record -> told.add(record.version()));
        first.write(0, text("abc"), 0).join();
        assertThat(read(second, 0, 3)).isEqualTo("abc");
        first.replaceRecord(0, text("one")).join();
        second.replaceRecord(1, text("two")).join();
        assertThat(told).containsExactly(1L, 2L);
        assertThat(first.record().join().bytes()).isEqualTo(text("two"));
        assertThat(first.knownRecord().version()).isEqualTo(2);
        changed(first.replaceRecord(1, text("three")));
    }

    @Test
    void aRequestWithAnOldGuardHasNoEffect() {
        first.write(0, text("old"), 0).join();
        second.replaceRecord(0, text("x")).join();
        changed(first.write(0, text("new"), 0));
        changed(first.writeAtomic(0, text("new"), 0));
        changed(first.zero(0, 512, true, 0));
        changed(first.compareAndWrite(0, text("old"), text("new"), 0));
        changed(first.or(0, text("new"), 0));
        changed(first.read(0, ByteBuffer.allocate(3), 0));
        assertThat(read(first, 0, 3)).isEqualTo("old");
        first.write(0, text("new"), 1).join();
        first.write(0, text("any"), GuardedDevice.NO_GUARD).join();
        assertThat(read(second, 0, 3)).isEqualTo("any");
    }

    @Test
    void aGuardIsCheckedWhenTheGateLetsGo() {
        CompletableFuture<Void> gate = new CompletableFuture<>();
        first.gate((operation, offset, length) -> gate);
        CompletableFuture<Void> write = first.write(0, text("new"), 0);
        second.replaceRecord(0, text("x")).join();
        gate.complete(null);
        changed(write);
    }

    @Test
    void comparesAndOrsInOneStep() {
        first.write(512, text("hello"), 0).join();
        assertThat(first.compareAndWrite(512, text("help!"), text("xxxxx"), 0).join()).isEqualTo(3);
        assertThat(first.compareAndWrite(512, text("hello"), text("HELLO"), 0).join())
                .isEqualTo(-1);
        assertThat(read(second, 512, 5)).isEqualTo("HELLO");
        first.or(512, text("     "), 0).join();
        assertThat(read(second, 512, 5)).isEqualTo("hello");
    }

    @Test
    void sizesAreLimited() {
        ByteBuffer long1 = ByteBuffer.allocate(GuardedDevice.MAX_ATOMIC_BYTES + 1);
        assertThatThrownBy(() -> first.writeAtomic(0, long1, 0).join())
                .hasMessageContaining("are over");
        ByteBuffer record = ByteBuffer.allocate(GuardedDevice.MAX_RECORD_BYTES + 1);
        assertThatThrownBy(() -> first.replaceRecord(0, record).join())
                .hasMessageContaining("over 65536");
    }

    @Test
    void aDeafPortalLearnsWhenItAsks() {
        second.deaf(true);
        first.replaceRecord(0, text("x")).join();
        assertThat(second.knownRecord().version()).isZero();
        assertThat(second.record().join().version()).isEqualTo(1);
        assertThat(second.knownRecord().version()).isEqualTo(1);
    }
}
