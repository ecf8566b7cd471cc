package io.cistern.server.cli;

import io.cistern.block.CisternException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/// Runs one command line.
public final class Cli {
    /// Done.
    public static final int DONE = 0;

    /// Failed, with one line on stderr.
    public static final int FAILED = 1;

    /// Wrong usage, with one line on stderr.
    public static final int USAGE = 2;

    /// Options of the root that are followed by a value.
    private static final Set<String> VALUED =
            Arrays.stream(CisternCommand.class.getDeclaredFields())
                    .filter(field -> field.isAnnotationPresent(Option.class))
                    .filter(field -> field.getType() != boolean.class)
                    .flatMap(field -> Arrays.stream(field.getAnnotation(Option.class).names()))
                    .collect(Collectors.toUnmodifiableSet());

    private Cli() {}

    /// @return the exit status
    public static int run(String[] arguments, PrintStream out, PrintStream err) {
        Class<?> named = named(arguments);
        return commandLine(out, err, named == null ? CisternCommand.COMMANDS : List.of(named))
                .execute(arguments);
    }

    /// The command that the first word names, null where help or a mistake needs to know all of
    /// them. Building one instead of all saves a quarter of a command's processor time.
    static @Nullable Class<?> named(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            String word = arguments[i];
            if (VALUED.contains(word)) {
                i++;
            } else if (word.equals("-h") || word.equals("--help")) {
                return null;
            } else if (!word.startsWith("-")) {
                return CisternCommand.COMMANDS.stream()
                        .filter(c -> c.getAnnotation(Command.class).name().equals(word))
                        .filter(c -> c != CompletionCommand.class)
                        .findFirst()
                        .orElse(null);
            }
        }
        return null;
    }

    /// @param commands that it is to know
    static CommandLine commandLine(PrintStream out, PrintStream err, List<Class<?>> commands) {
        CommandLine line = new CommandLine(new CisternCommand());
        commands.forEach(line::addSubcommand);
        line.setOut(writer(out));
        line.setErr(writer(err));
        line.setExpandAtFiles(false); // names may begin with @ by mistake; a file is not meant
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setUsageHelpAutoWidth(true);
        line.setParameterExceptionHandler((e, args) -> usage(e));
        line.setExecutionExceptionHandler((e, command, result) -> failed(e, command));
        return line;
    }

    private static PrintWriter writer(OutputStream stream) {
        return new PrintWriter(stream, true, StandardCharsets.UTF_8);
    }

    private static int usage(ParameterException e) {
        CommandLine command = e.getCommandLine();
        String hint = "";
        String message = String.valueOf(e.getMessage());
        if (e instanceof UnmatchedArgumentException unmatched) {
            if (!command.getSubcommands().isEmpty()) {
                message = "there is no command '" + unmatched.getUnmatched().getFirst() + "'";
            }
            hint =
                    unmatched.getSuggestions().stream()
                            .findFirst()
                            .map(s -> "; did you mean '" + s + "'?")
                            .orElse("");
        }
        String name = command.getCommandSpec().qualifiedName();
        command.getErr()
                .println("cistern: " + oneLine(message) + hint + "; see '" + name + " --help'");
        return USAGE;
    }

    private static int failed(Exception e, CommandLine command) {
        if (e instanceof ParameterException wrong) {
            return usage(wrong);
        }
        CisternException known = CisternException.of(e);
        command.getErr().println("cistern: " + oneLine(String.valueOf(known.getMessage())));
        if (System.getenv("CISTERN_DEBUG") != null) {
            e.printStackTrace(command.getErr());
        }
        return FAILED;
    }

    private static String oneLine(String text) {
        return text.strip().replaceAll("\\s*\\R\\s*", " ");
    }
}
