/// Real processes under faults, real guests, and the rules of the module structure.
@NullMarked
package io.cistern.chaos;

import org.jspecify.annotations.NullMarked;
