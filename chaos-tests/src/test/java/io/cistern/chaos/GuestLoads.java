package io.cistern.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Loads of `load.c` in a guest, two on each of several mounts: one file that is written, read,
/// mapped, cut and copied, and a tree of small files that is made, read, renamed and removed. They
/// compare all they read with what they wrote, and end at the first error.
final class GuestLoads {
    private static final Duration QUICK = Duration.ofSeconds(60);
    private static final List<String> KINDS = List.of("bytes", "tree");

    private final Guest guest;
    private final List<String> mounts;

    private GuestLoads(Guest guest, List<String> mounts) {
        this.guest = guest;
        this.mounts = mounts;
    }

    /// Builds the program for any guest.
    static Path compile(Path dir) throws IOException, InterruptedException {
        return Programs.compile(dir, "load.c", "load", "-static");
    }

    /// Starts them.
    ///
    /// @param program in the guest
    /// @param mounts directories directly below its root
    /// @param pauseMillis after every operation or source file
    static GuestLoads start(Guest guest, String program, List<String> mounts, int pauseMillis)
            throws IOException {
        StringBuilder script =
                new StringBuilder(
                        "cp " + program + " /run/load && chmod 755 /run/load || exit 1\n");
        int seed = 1;
        for (String mount : mounts) {
            for (String kind : KINDS) {
                String name = kind + "-" + mount;
                String at = place(mount, kind, mount);
                script.append("mkdir ").append(at).append(" || exit 2\n( /run/load ");
                script.append(String.join(" ", kind, at, "" + seed++, "" + pauseMillis, name));
                script.append(" > /run/out-" + name + " 2>&1; echo $? > /run/ended-" + name);
                script.append(" ) > /dev/null 2>&1 &\n");
            }
        }
        guest.run(script.toString(), QUICK).succeeded();
        return new GuestLoads(guest, mounts);
    }

    /// Where a load that was started on `mount` is, seen through another mount.
    private static String place(String seenThrough, String kind, String mount) {
        return "/" + seenThrough + "/load-" + kind + "-" + mount;
    }

    /// How many rounds each has made, by its name. Fails where one has ended.
    Map<String, Long> rounds() throws IOException {
        Programs.Result ended =
                guest.run("for f in /run/ended-*; do [ ! -e $f ] || cat /run/out-*; done", QUICK);
        assertThat(ended.output()).as("what loads say that have ended").isEmpty();
        Map<String, Long> rounds = new HashMap<>();
        String script = "for f in /run/progress-*; do [ ! -e $f ] || echo $f $(cat $f); done";
        for (String line : guest.run(script, QUICK).succeeded().output().lines().toList()) {
            String[] words = line.split(" ");
            if (words.length == 2) {
                rounds.put(words[0], Long.parseLong(words[1]));
            }
        }
        return rounds;
    }

    /// Whether every load has made a round since.
    boolean allWentOn(Map<String, Long> since) throws IOException {
        Map<String, Long> now = rounds();
        return now.size() == mounts.size() * KINDS.size()
                && now.entrySet().stream()
                        .allMatch(e -> e.getValue() > since.getOrDefault(e.getKey(), 0L));
    }

    /// Ends them, and reads what each has left through another mount than its own.
    ///
    /// @return what they say
    String stop(Duration limit) throws IOException {
        List<String> names = new ArrayList<>();
        mounts.forEach(mount -> KINDS.forEach(kind -> names.add(kind + "-" + mount)));
        StringBuilder script = new StringBuilder("touch /run/stop\n");
        for (String name : names) {
            script.append("until [ -e /run/ended-" + name + " ]; do sleep 1; done\n");
            script.append("[ \"$(cat /run/ended-" + name + ")\" = 0 ] || bad=\"$bad " + name);
            script.append(": $(cat /run/out-" + name + ")\"\n");
        }
        script.append("[ -z \"$bad\" ] || { echo \"$bad\"; exit 1; }\n");
        for (int i = 0; i < mounts.size(); i++) {
            String other = mounts.get((i + 1) % mounts.size());
            int seed = KINDS.size() * i + KINDS.size();
            script.append("/run/load check " + place(other, "tree", mounts.get(i)) + " " + seed);
            script.append(" || exit 1\n");
        }
        return guest.run(script + "grep . /run/progress-*", limit).succeeded().output();
    }
}
