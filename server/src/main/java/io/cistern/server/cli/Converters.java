package io.cistern.server.cli;

import io.cistern.block.CisternException;
import io.cistern.block.Size;
import io.cistern.volume.ShareRule;
import io.cistern.volume.SnapshotName;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// Turns words of the command line into values; what does not parse is wrong usage.
final class Converters {
    private Converters() {}

    /// A size in bytes.
    static final class Bytes implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            try {
                return Size.parse(text);
            } catch (CisternException e) {
                throw usage(e);
            }
        }
    }

    /// `VOLUME@SNAPSHOT`.
    static final class Snapshot implements ITypeConverter<SnapshotName> {
        @Override
        public SnapshotName convert(String text) {
            try {
                return SnapshotName.parse(text);
            } catch (CisternException e) {
                throw usage(e);
            }
        }
    }

    /// `CIDR[:flags]`.
    static final class Rule implements ITypeConverter<ShareRule> {
        @Override
        public ShareRule convert(String text) {
            try {
                return ShareRule.parse(text);
            } catch (CisternException e) {
                throw usage(e);
            }
        }
    }

    /// A whole number that is not negative.
    static final class Count implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            if (!text.matches("[0-9]{1,18}")) {
                throw new TypeConversionException("'" + text + "' is not a whole number");
            }
            return Long.parseLong(text);
        }
    }

    private static TypeConversionException usage(CisternException e) {
        return new TypeConversionException(String.valueOf(e.getMessage()));
    }
}
