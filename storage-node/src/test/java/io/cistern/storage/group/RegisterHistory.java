package io.cistern.storage.group;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;

/// What clients did to registers, each value written at most once and 0 the first value. Decides
/// whether each register is linearizable (after Gibbons and Korach, "Testing shared memories": with
/// unique values it takes no search).
///
/// The operations on one value form a cluster: its write and its reads. In a linearization they
/// stand together. Let `from` be the earliest end and `to` the latest begin in a cluster. If `from
/// < to` the value must hold throughout `[from, to]` (forward), else it can be placed at one point
/// within `[to, from]` (backward). The history is linearizable if no read precedes its write, no
/// two forward zones overlap, and no backward zone lies inside a forward one.
final class RegisterHistory {
    /// @param begun and `ended`: by one clock for all
    record Operation(int register, boolean write, long value, long begun, long ended) {}

    private static final class Zone {
        long value;
        long from = Long.MAX_VALUE;
        long to = Long.MIN_VALUE;
        long writeBegun = Long.MAX_VALUE;
        boolean written;

        boolean forward() {
            return from < to;
        }
    }

    private final ConcurrentLinkedQueue<Operation> operations = new ConcurrentLinkedQueue<>();

    void add(Operation operation) {
        operations.add(operation);
    }

    /// @throws AssertionError naming the values that cannot be ordered
    void check() {
        Map<Integer, Map<Long, Zone>> registers = new HashMap<>();
        for (Operation operation : operations) {
            Zone zone =
                    registers
                            .computeIfAbsent(operation.register, r -> new HashMap<>())
                            .computeIfAbsent(operation.value, v -> new Zone());
            zone.value = operation.value;
            zone.from = Math.min(zone.from, operation.ended);
            zone.to = Math.max(zone.to, operation.begun);
            if (operation.write) {
                zone.written = true;
                zone.writeBegun = operation.begun;
            }
        }
        registers.forEach((register, zones) -> check(register, zones, operations));
    }

    private static void check(int register, Map<Long, Zone> zones, Iterable<Operation> operations) {
        Zone first = zones.get(0L);
        if (first != null) {
            // Written before everything else.
            first.written = true;
            first.from = Long.MIN_VALUE;
            first.writeBegun = Long.MIN_VALUE;
        }
        for (Operation operation : operations) {
            Zone zone = zones.get(operation.value);
            if (operation.register == register && zone != null) {
                verify(zone.written, register, "value " + operation.value + " was never written");
                verify(
                        operation.write || operation.ended >= zone.writeBegun,
                        register,
                        "value " + operation.value + " was read before it was written");
            }
        }
        List<Zone> all = new ArrayList<>(zones.values());
        for (Zone a : all) {
            for (Zone b : all) {
                if (a == b || !a.forward()) {
                    continue;
                }
                boolean clash = a.from < b.to && b.from < a.to;
                verify(
                        !clash,
                        register,
                        "values "
                                + a.value
                                + " and "
                                + b.value
                                + " cannot be put in an order that everyone saw");
            }
        }
    }

    private static void verify(boolean holds, int register, String otherwise) {
        if (!holds) {
            throw new AssertionError("register " + register + ": " + otherwise);
        }
    }
}
