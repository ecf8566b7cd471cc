package io.cistern.server.cli;

import io.cistern.server.api.Json;
import io.cistern.server.api.RestAdmin;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// What commands share: the root's options, printing as text or JSON.
abstract class BaseCommand implements Callable<Integer> {
    @Spec private @Nullable CommandSpec spec;

    /// Does the work. Throws [io.cistern.block.CisternException] on failure.
    abstract void execute() throws Exception;

    @Override
    public Integer call() throws Exception {
        execute();
        return Cli.DONE;
    }

    CommandSpec spec() {
        CommandSpec s = spec;
        if (s == null) {
            throw new IllegalStateException("not run by picocli");
        }
        return s;
    }

    CisternCommand root() {
        return (CisternCommand) spec().root().userObject();
    }

    RestAdmin admin() {
        return root().admin();
    }

    /// Prints `value` as JSON, or `text`, as the user chose.
    void print(Object value, String text) {
        PrintWriter out = spec().commandLine().getOut();
        switch (root().output()) {
            case JSON -> out.println(Json.pretty(value));
            case TEXT -> out.print(text.isEmpty() || text.endsWith("\n") ? text : text + "\n");
        }
        out.flush();
    }

    /// For a value that an option or parameter must have; picocli has checked that it is there.
    static <T> T given(@Nullable T value) {
        if (value == null) {
            throw new IllegalStateException("picocli left a required value out");
        }
        return value;
    }

    ParameterException wrong(String message) {
        return new ParameterException(spec().commandLine(), message);
    }

    /// A command that only has subcommands.
    abstract static class Group implements Runnable {
        @Spec private @Nullable CommandSpec spec;

        @Override
        public void run() {
            CommandSpec here = spec;
            if (here != null) {
                String names = String.join(", ", here.subcommands().keySet());
                throw new ParameterException(
                        here.commandLine(), "a command is missing, one of " + names);
            }
        }
    }
}
