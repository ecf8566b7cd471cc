/// A cluster of node processes on this machine.
@NullMarked
package io.cistern.server.local;

import org.jspecify.annotations.NullMarked;
