package io.cistern.iscsi.scsi;

import java.nio.ByteBuffer;

/// A command as it arrived. Identity, not contents, tells two commands apart.
public final class ScsiCommand {
    /// SAM-5 8.9.
    public enum Attribute {
        SIMPLE,
        ORDERED,
        HEAD_OF_QUEUE,
        ACA
    }

    private final long lun;
    private final ByteBuffer cdb;
    private final Attribute attribute;
    private final long expectedDataOut;

    /// @param lun the eight bytes of SAM-5 4.6
    /// @param cdb 6 to 260 bytes, not copied
    public ScsiCommand(long lun, ByteBuffer cdb, Attribute attribute) {
        this(lun, cdb, attribute, -1);
    }

    /// @param expectedDataOut bytes that the initiator means to send, -1 where it is not known; may
    ///   be more than the command can take
    public ScsiCommand(long lun, ByteBuffer cdb, Attribute attribute, long expectedDataOut) {
        this.lun = lun;
        this.cdb = cdb.asReadOnlyBuffer();
        this.attribute = attribute;
        this.expectedDataOut = expectedDataOut;
    }

    public long expectedDataOut() {
        return expectedDataOut;
    }

    public long lun() {
        return lun;
    }

    /// Read only, position 0, big-endian.
    public ByteBuffer cdb() {
        return cdb.duplicate();
    }

    public Attribute attribute() {
        return attribute;
    }

    public int operationCode() {
        return cdb.get(0) & 0xff;
    }
}
