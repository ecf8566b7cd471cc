/// Measuring programs: JMH for the hot paths, servers for fio.
@NullMarked
package io.cistern.bench;

import org.jspecify.annotations.NullMarked;
