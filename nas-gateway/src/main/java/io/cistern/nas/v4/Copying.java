package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.FileResults.Copied;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.NfsException;
import io.cistern.nas.share.NfsStatus;
import io.cistern.nas.state.StateId;
import java.nio.ByteBuffer;

/// A copy from the saved to the current file.
record Copying(Access source, Access target) {
    /// @throws NfsException also where the stateids do not allow it
    static Copying prepare(Compound c, StateId from, StateId to) {
        Access current = c.access(NfsStatus.ISDIR).forChange();
        Access saved = c.savedAccess(current);
        boolean opened =
                c.state().checkIo(c.savedState(from), c.client(), Compound.key(saved), false);
        Access target = c.io(current, to, true);
        if (!target.who().opened()) {
            target.write(0, ByteBuffer.allocate(0)); // the right to
        }
        if (!opened) {
            await(saved.files().read(saved.who(), saved.file(), 0, 0)); // the right to
        }
        return new Copying(saved, target);
    }

    /// @param count 0: to the end of the source
    /// @return how much was copied
    long run(long fromOffset, long toOffset, long count, long most) {
        if (fromOffset < 0 || count < 0 || fromOffset + count < 0) {
            throw new NfsException(NfsStatus.INVAL, "beyond the end of the source");
        }
        Wire4.checkExtent(toOffset, count);
        Attributes now = await(source.files().attributes(source.file()));
        Types.requireRegular(now.type());
        if (fromOffset > now.size() || (count > 0 && fromOffset + count > now.size())) {
            throw new NfsException(NfsStatus.INVAL, "beyond the end of the source");
        }
        long wanted = Math.min(count == 0 ? now.size() - fromOffset : count, most);
        boolean same = source.file().equals(target.file());
        if (same
                && fromOffset < toOffset + wanted
                && toOffset < fromOffset + wanted
                && wanted > 0) {
            throw new NfsException(NfsStatus.INVAL, "the ranges overlap");
        }
        long done = 0;
        while (done < wanted) {
            Copied copied =
                    await(
                            target.files()
                                    .copy(
                                            Call.of(target.who().asOpened()),
                                            source.file(),
                                            fromOffset + done,
                                            target.file(),
                                            toOffset + done,
                                            wanted - done));
            if (copied.count() == 0) {
                break;
            }
            done += copied.count();
        }
        return done;
    }
}
