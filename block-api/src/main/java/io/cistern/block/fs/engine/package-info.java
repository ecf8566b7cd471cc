/// The file system itself: a deterministic state machine over ordered rows and blocks, whoever
/// keeps those. The replicated engine and the one in memory both run it.
@NullMarked
package io.cistern.block.fs.engine;

import org.jspecify.annotations.NullMarked;
