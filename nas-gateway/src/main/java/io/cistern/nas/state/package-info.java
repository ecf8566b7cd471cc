/// What NFSv4 clients hold: client ids, sessions, opens, byte-range locks (RFC 8881 chapters 8 to
/// 10 and section 2.10). No wire format, no file system: numbers and names only.
@NullMarked
package io.cistern.nas.state;

import org.jspecify.annotations.NullMarked;
