/// Checkers of recorded histories.
@NullMarked
package io.cistern.chaos.check;

import org.jspecify.annotations.NullMarked;
