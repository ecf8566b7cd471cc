/// The engine: disks, slots, MVCC block map, checkpoints, scrub. The only importer of RocksDB.
@NullMarked
package io.cistern.storage;

import org.jspecify.annotations.NullMarked;
