package io.cistern.volume.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.buffer.Unpooled;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class StateRequestTest {
    @Property
    void isReadAsItWasWritten(
            @ForAll long version,
            @ForAll boolean fresh,
            @ForAll boolean versionAlone,
            @ForAll @IntRange(min = 1, max = 255) int newest) {
        boolean alone = fresh && versionAlone;
        StateRequest request = new StateRequest(version, fresh, alone, newest);
        assertThat(StateRequest.decode(request.encode(true))).isEqualTo(request);
        assertThat(StateRequest.decode(request.encode(false)))
                .isEqualTo(new StateRequest(version, fresh, alone, StateRequest.UNSAID));
    }

    /// Programs of earlier releases read the byte after the version as a boolean, and write 0 or 1.
    @Example
    void earlierReleasesTakeAQuestionForTheVersionForOneForTheState() {
        assertThat(StateRequest.whichVersion(7).encode(false).skipBytes(8).readBoolean()).isTrue();
        StateRequest old = StateRequest.decode(Unpooled.buffer().writeLong(7).writeBoolean(true));
        assertThat(old.fresh()).isTrue();
        assertThat(old.versionAlone()).isFalse();
    }

    @Property
    void anythingElseIsRefused(@ForAll byte[] bytes) {
        boolean wellFormed = bytes.length == 9 || (bytes.length == 10 && bytes[9] != 0);
        if (!wellFormed) {
            assertThatThrownBy(() -> StateRequest.decode(Unpooled.wrappedBuffer(bytes)))
                    .isInstanceOfSatisfying(
                            CisternException.class,
                            e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID));
        }
    }
}
