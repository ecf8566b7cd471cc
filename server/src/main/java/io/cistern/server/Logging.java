package io.cistern.server;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.OutputStreamAppender;
import ch.qos.logback.core.rolling.FixedWindowRollingPolicy;
import ch.qos.logback.core.rolling.RollingFileAppender;
import ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy;
import ch.qos.logback.core.util.FileSize;
import io.cistern.server.config.ServerConfig.LogConfig;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sets up logging in code: the same in every process, and faster to start than from a file.
public final class Logging {
    private static final String PATTERN =
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSSX} %-5level %logger{0} %msg%n%ex{12}";
    private static final String MAX_FILE = "10MB";
    private static final int FILES = 5;

    // slf4j's own names: what stands behind it, and what it says of that.
    private static final String PROVIDER = "slf4j.provider";
    private static final String VERBOSITY = "slf4j.internal.verbosity";

    private static volatile boolean oneCommand;

    private Logging() {}

    /// This process is one command of the command line: [#none] may then leave the logging library
    /// out, which takes longer to start than most commands take.
    public static void oneCommand() {
        oneCommand = true;
    }

    /// For commands that only ask other processes. Not where Netty is used in this one: it goes to
    /// the JDK's logging where slf4j has nothing behind it.
    public static void none() {
        if (oneCommand) {
            System.setProperty(PROVIDER, "org.slf4j.helpers.NOP_FallbackServiceProvider");
            System.setProperty(VERBOSITY, "WARN");
        } else {
            quiet();
        }
    }

    /// For the command line: errors reach people by other means.
    public static void quiet() {
        reset().getLogger(Logger.ROOT_LOGGER_NAME).setLevel(Level.OFF);
    }

    /// For the long-running processes.
    public static void configure(LogConfig config) {
        LoggerContext context = reset();
        ch.qos.logback.classic.Logger root = context.getLogger(Logger.ROOT_LOGGER_NAME);
        Level level = Level.toLevel(config.level());
        root.setLevel(Level.WARN);
        context.getLogger("io.cistern").setLevel(level);
        if (level.isGreaterOrEqual(Level.WARN)) {
            root.setLevel(level);
        }
        // These report each lost connection of a peer that is down, many times a second.
        context.getLogger("org.apache.ratis").setLevel(Level.ERROR);
        root.addAppender(appender(context, config.file()));
    }

    private static LoggerContext reset() {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        context.reset();
        return context;
    }

    private static OutputStreamAppender<ILoggingEvent> appender(
            LoggerContext context, @Nullable Path file) {
        PatternLayoutEncoder encoder = new PatternLayoutEncoder();
        encoder.setContext(context);
        encoder.setPattern(PATTERN);
        encoder.start();
        OutputStreamAppender<ILoggingEvent> appender =
                file == null ? new ConsoleAppender<>() : rolling(context, file);
        appender.setContext(context);
        appender.setEncoder(encoder);
        appender.start();
        return appender;
    }

    private static OutputStreamAppender<ILoggingEvent> rolling(LoggerContext context, Path file) {
        RollingFileAppender<ILoggingEvent> appender = new RollingFileAppender<>();
        appender.setContext(context);
        appender.setFile(file.toString());
        FixedWindowRollingPolicy names = new FixedWindowRollingPolicy();
        names.setContext(context);
        names.setParent(appender);
        names.setFileNamePattern(file + ".%i");
        names.setMinIndex(1);
        names.setMaxIndex(FILES - 1);
        names.start();
        SizeBasedTriggeringPolicy<ILoggingEvent> trigger = new SizeBasedTriggeringPolicy<>();
        trigger.setContext(context);
        trigger.setMaxFileSize(FileSize.valueOf(MAX_FILE));
        trigger.start();
        appender.setRollingPolicy(names);
        appender.setTriggeringPolicy(trigger);
        return appender;
    }
}
