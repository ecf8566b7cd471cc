package io.cistern.nas.v4;

import io.cistern.nas.xdr.XdrWriter;

/// One operation of a COMPOUND, decoded. Its class decodes its arguments, carries it out and writes
/// its result.
public sealed interface Operation
        permits AccessOp,
                AllocateOp,
                BackchannelCtlOp,
                BindConnToSessionOp,
                CloneOp,
                CloseOp,
                CommitOp,
                CopyOp,
                CreateOp,
                CreateSessionOp,
                DeallocateOp,
                DelegreturnOp,
                DestroyClientidOp,
                DestroySessionOp,
                ExchangeIdOp,
                FreeStateidOp,
                GetattrOp,
                GetfhOp,
                GetxattrOp,
                IoAdviseOp,
                LinkOp,
                ListxattrsOp,
                LockOp,
                LocktOp,
                LockuOp,
                LookupOp,
                LookuppOp,
                OffloadOp,
                OpenDowngradeOp,
                OpenOp,
                PutfhOp,
                PutrootfhOp,
                ReadOp,
                ReadPlusOp,
                ReaddirOp,
                ReadlinkOp,
                ReclaimCompleteOp,
                RefusedOp,
                RemoveOp,
                RemovexattrOp,
                RenameOp,
                RestorefhOp,
                SavefhOp,
                SecinfoNoNameOp,
                SecinfoOp,
                SeekOp,
                SequenceOp,
                SetattrOp,
                SetxattrOp,
                TestStateidOp,
                VerifyOp,
                WriteOp {

    /// Carries the operation out and writes what follows an OK status. What it wrote before it
    /// failed is dropped.
    ///
    /// @throws RuntimeException any failure; its status follows from its type
    void execute(Compound c, XdrWriter out);

    /// Writes what follows the status of a failure.
    default void failure(Compound c, int status, RuntimeException failure, XdrWriter out) {}

    /// Most bytes of a result that changes something, so that it is not carried out where its
    /// result could not be sent; 0 for operations that change nothing.
    default int resultBytes() {
        return 0;
    }
}
