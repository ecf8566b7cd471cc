/// Assembly: the daemon, the REST API, the cistern command.
@NullMarked
package io.cistern.server;

import org.jspecify.annotations.NullMarked;
