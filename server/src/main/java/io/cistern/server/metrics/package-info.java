/// The metrics page and its catalogue.
@NullMarked
package io.cistern.server.metrics;

import org.jspecify.annotations.NullMarked;
