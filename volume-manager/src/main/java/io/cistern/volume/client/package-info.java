/// The volume client: leader tracking, retries, fencing, limits.
@NullMarked
package io.cistern.volume.client;

import org.jspecify.annotations.NullMarked;
