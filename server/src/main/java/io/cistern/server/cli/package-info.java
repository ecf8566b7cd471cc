/// The cistern command.
@NullMarked
package io.cistern.server.cli;

import org.jspecify.annotations.NullMarked;
