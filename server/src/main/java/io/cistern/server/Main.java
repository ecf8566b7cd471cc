package io.cistern.server;

import io.cistern.server.cli.Cli;

/// The `cistern` command.
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        Logging.oneCommand();
        int status = Cli.run(arguments, System.out, System.err);
        System.out.flush();
        System.exit(status);
    }
}
