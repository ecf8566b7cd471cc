/// A cluster in one thread of control: real state machines, stores and clients under a scheduler
/// that a seed decides, with simulated time, network, disks and crashes.
@NullMarked
package io.cistern.chaos.sim;

import org.jspecify.annotations.NullMarked;
