/// Shares as clients reach them: file handles, access rules, whose rights a call has.
@NullMarked
package io.cistern.nas.share;

import org.jspecify.annotations.NullMarked;
