package io.cistern.storage;

import io.cistern.block.ErrorCode;
import io.cistern.storage.Command.Attach;
import io.cistern.storage.Command.AttachMode;
import io.cistern.storage.Command.Detach;
import io.cistern.storage.Command.Resume;
import io.cistern.storage.Volume.Holder;
import io.cistern.storage.VolumeState.Attachment;
import java.util.HashSet;
import java.util.Set;

/// Grants and ends the right to use a volume. Called with the store's lock held.
final class Attachments {
    private Attachments() {}

    static Outcome attach(Table table, long index, Attach c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return Commands.noVolume(c.volume());
        }
        for (Holder h : volume.holders) {
            Attachment a = h.attachment;
            if (a.nonceHigh() == c.nonceHigh() && a.nonceLow() == c.nonceLow()) {
                return Outcome.of(a.id());
            }
        }
        if (c.remember() && volume.ended.contains(c.nonceHigh(), c.nonceLow())) {
            return Outcome.refused(
                    ErrorCode.FENCED,
                    "this attach of volume "
                            + volume.id
                            + " was carried out before, and what it granted has ended: attach again");
        }
        if (c.since() != Attach.UNSEEN && volume.version - c.since() > EndedAttachments.MOST) {
            return Outcome.refused(
                    ErrorCode.FENCED,
                    "volume "
                            + volume.id
                            + " has changed so often since this attach was sent that it may have been"
                            + " carried out before: attach again");
        }
        if (volume.holder(index) != null) {
            return Outcome.refused(
                    ErrorCode.UNAVAILABLE, "another attach is in the same log entry: try again");
        }
        Set<Holder> ended = new HashSet<>();
        for (Holder h : volume.holders) {
            AttachMode mode = h.attachment.mode();
            boolean ends =
                    switch (c.mode()) {
                        case EXCLUSIVE -> mode != AttachMode.READ_ONLY;
                        case SHARED -> mode == AttachMode.EXCLUSIVE;
                        case READ_ONLY -> false;
                    };
            if (ends) {
                ended.add(h);
            }
        }
        if (volume.holders.size() - ended.size() >= VolumeState.MAX_ATTACHMENTS) {
            return Outcome.refused(
                    ErrorCode.LIMIT,
                    "volume "
                            + volume.id
                            + " has "
                            + VolumeState.MAX_ATTACHMENTS
                            + " attachments: detach one first");
        }
        ended.forEach(h -> end(table, volume, h, c.remember()));
        if (c.since() != Attach.UNSEEN) {
            volume.version += ended.size();
        }
        volume.holders.add(
                new Holder(
                        new Attachment(
                                index,
                                c.mode(),
                                c.nonceHigh(),
                                c.nonceLow(),
                                c.holder(),
                                c.timeMillis()),
                        new Window()));
        table.changed(volume);
        return Outcome.of(index);
    }

    static Outcome resume(Table table, long index, Resume c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return Commands.noVolume(c.volume());
        }
        for (Holder h : volume.holders) {
            Attachment a = h.attachment;
            if (a.nonceHigh() == c.nonceHigh() && a.nonceLow() == c.nonceLow()) {
                return Outcome.of(a.id());
            }
        }
        if (volume.holder(index) != null) {
            return Outcome.refused(
                    ErrorCode.UNAVAILABLE, "another attach is in the same log entry: try again");
        }
        Holder before = volume.holder(c.attachment());
        if (before == null) {
            return Outcome.refused(
                    ErrorCode.FENCED,
                    "attachment "
                            + c.attachment()
                            + " of volume "
                            + volume.id
                            + " has ended: it was attached elsewhere or detached meanwhile");
        }
        end(table, volume, before, c.remember());
        volume.holders.add(
                new Holder(
                        new Attachment(
                                index,
                                before.attachment.mode(),
                                c.nonceHigh(),
                                c.nonceLow(),
                                c.holder(),
                                c.timeMillis()),
                        new Window()));
        table.changed(volume);
        return Outcome.of(index);
    }

    static Outcome detach(Table table, Detach c) {
        Volume volume = table.volumes.get(c.volume());
        if (volume == null) {
            return Commands.noVolume(c.volume());
        }
        Holder holder = volume.holder(c.attachment());
        if (holder != null) {
            end(table, volume, holder, c.remember());
            table.changed(volume);
        }
        return Outcome.DONE;
    }

    /// @param remember so that the request for it, sent again, is known; see [Attach#remember]
    private static void end(Table table, Volume volume, Holder holder, boolean remember) {
        table.dropWindow(volume, holder);
        volume.holders.remove(holder);
        if (remember) {
            volume.ended.add(holder.attachment.nonceHigh(), holder.attachment.nonceLow());
        }
    }
}
