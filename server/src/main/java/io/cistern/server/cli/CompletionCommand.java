package io.cistern.server.cli;

import java.util.Map;
import picocli.AutoComplete;
import picocli.CommandLine.Command;

@Command(
        name = "completion",
        description = "Prints shell completion for bash and zsh.",
        footer = {
            "",
            "Example:",
            "  cistern completion > ~/.local/share/bash-completion/completions/cistern",
            "  source <(cistern completion)"
        })
final class CompletionCommand extends BaseCommand {
    @Override
    void execute() {
        String script = AutoComplete.bash("cistern", spec().root().commandLine());
        print(Map.of("bash", script), script);
    }
}
