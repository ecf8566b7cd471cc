package io.cistern.storage.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.raft.GroupId;
import io.cistern.raft.Peer;
import io.cistern.raft.RaftGroup;
import io.cistern.storage.Store;
import java.lang.reflect.Proxy;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// A volume that is missing while the table is being replaced by a copy's is not reported as gone:
/// a client would end its device for good.
@SuppressWarnings("NullAway") // parts that are not asked for are left out
class ReplicaPartsTest {
    private static <T> T answering(Class<T> type, Map<String, Object> answers) {
        return type.cast(
                Proxy.newProxyInstance(
                        type.getClassLoader(),
                        new Class<?>[] {type},
                        (proxy, method, arguments) -> answers.get(method.getName())));
    }

    private static ErrorCode missing(boolean importing) {
        Store store = answering(Store.class, Map.of("importing", importing));
        Peer self = new Peer("n1.1", "n1", TestCluster.loopback(1), 0);
        RaftGroup raft = answering(RaftGroup.class, Map.of("id", new GroupId(1), "self", self));
        ErrorCode[] code = new ErrorCode[1];
        assertThatThrownBy(() -> new ReplicaParts(store, null, raft, null, null).volume(7))
                .isInstanceOfSatisfying(CisternException.class, e -> code[0] = e.code());
        return code[0];
    }

    @Test
    void aVolumeMissingInAStoreThatIsBeingCopiedIsAskedForElsewhere() {
        assertThat(missing(true)).isEqualTo(ErrorCode.STALE);
        assertThat(missing(false)).isEqualTo(ErrorCode.NOT_FOUND);
    }
}
