/// The configuration file: its keys, their defaults, and what they come to.
@NullMarked
package io.cistern.server.config;

import org.jspecify.annotations.NullMarked;
