package io.cistern.server.cli;

import io.cistern.block.CisternException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
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

    private Cli() {}

    /// @return the exit status
    public static int run(String[] arguments, PrintStream out, PrintStream err) {
        return commandLine(out, err).execute(arguments);
    }

    static CommandLine commandLine(PrintStream out, PrintStream err) {
        CommandLine line = new CommandLine(new CisternCommand());
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
