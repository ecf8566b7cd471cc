/// The SCSI device server behind a target: commands, mode and vital product data pages,
/// reservations (SAM-5, SPC-4, SBC-3). Knows nothing of iSCSI.
@NullMarked
package io.cistern.iscsi.scsi;

import org.jspecify.annotations.NullMarked;
