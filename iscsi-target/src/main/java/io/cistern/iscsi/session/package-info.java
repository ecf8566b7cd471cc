/// Connections and sessions of a portal: the full feature phase of RFC 7143 at error recovery level
/// 0. A session has one connection, and all of its state belongs to that connection's event loop.
@NullMarked
package io.cistern.iscsi.session;

import org.jspecify.annotations.NullMarked;
