/// A shared file system as a front end sees it: files, directories, who may do what. No protocol:
/// what a client speaks is the front end's business.
@NullMarked
package io.cistern.block.fs;

import org.jspecify.annotations.NullMarked;
