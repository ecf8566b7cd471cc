package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.lang.reflect.AnnotatedType;
import java.lang.reflect.RecordComponent;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Which components of a record a request must give: all that are not marked [Nullable].
final class RequiredParts {
    private RequiredParts() {}

    static boolean required(RecordComponent component) {
        AnnotatedType type = component.getAnnotatedType();
        return !type.isAnnotationPresent(Nullable.class);
    }

    /// @throws CisternException INVALID, naming a component that is missing
    static void check(Object record) {
        for (RecordComponent c : record.getClass().getRecordComponents()) {
            if (!required(c) || c.getType().isPrimitive()) {
                continue;
            }
            Object value;
            try {
                value = c.getAccessor().invoke(record);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
            if (value == null) {
                throw new CisternException(
                        ErrorCode.INVALID, "the body lacks '" + c.getName() + "'");
            }
            if (value instanceof List<?> list && list.stream().anyMatch(Objects::isNull)) {
                throw new CisternException(
                        ErrorCode.INVALID, "'" + c.getName() + "' has an entry that is null");
            }
        }
    }
}
