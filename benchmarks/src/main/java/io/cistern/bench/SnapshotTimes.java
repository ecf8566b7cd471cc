package io.cistern.bench;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Arrays;
import java.util.Locale;

/// How long a snapshot and a clone take through the REST API, over one kept connection.
///
/// `SnapshotTimes API VOLUME SNAPSHOTS TIMES LABEL`: brings the volume to SNAPSHOTS snapshots, then
/// makes and deletes one more, and a clone of the first, TIMES times each; prints a row of a
/// Markdown table. Needs nothing but the JDK: `java SnapshotTimes.java …` runs it.
public final class SnapshotTimes {
    private final HttpClient http = HttpClient.newHttpClient();
    private final String api;
    private final String volume;

    private SnapshotTimes(String api, String volume) {
        this.api = api;
        this.volume = volume;
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        if (args.length != 5) {
            System.err.println("usage: SnapshotTimes API VOLUME SNAPSHOTS TIMES LABEL");
            System.exit(2);
        }
        SnapshotTimes bench = new SnapshotTimes(args[0], args[1]);
        int snapshots = Integer.parseInt(args[2]);
        int times = Integer.parseInt(args[3]);
        int present =
                bench.ask("GET", "/v1/volumes/" + args[1] + "/snapshots", "")
                                .split("\"name\"", -1)
                                .length
                        - 1;
        for (int i = present; i < snapshots; i++) {
            bench.snapshot("s" + i);
        }
        bench.snapshots(times); // else the figure is the nodes' compilers'
        bench.clones(times);
        System.out.printf(
                "| %s, %d snapshots | %s | %s |%n",
                args[4], snapshots, text(bench.snapshots(times)), text(bench.clones(times)));
    }

    private long[] snapshots(int times) throws IOException, InterruptedException {
        long[] nanos = new long[times];
        for (int i = 0; i < times; i++) {
            long start = System.nanoTime();
            snapshot("now");
            nanos[i] = System.nanoTime() - start;
            ask("DELETE", "/v1/volumes/" + volume + "/snapshots/now", "");
        }
        return nanos;
    }

    private long[] clones(int times) throws IOException, InterruptedException {
        long[] nanos = new long[times];
        for (int i = 0; i < times; i++) {
            long start = System.nanoTime();
            ask(
                    "POST",
                    "/v1/volumes/" + volume + "/snapshots/s0/clones",
                    "{\"name\":\"" + volume + "-clone\"}");
            nanos[i] = System.nanoTime() - start;
            ask("DELETE", "/v1/volumes/" + volume + "-clone", "");
        }
        return nanos;
    }

    private void snapshot(String name) throws IOException, InterruptedException {
        ask("POST", "/v1/snapshots", "{\"snapshots\":[\"" + volume + "@" + name + "\"]}");
    }

    private String ask(String method, String path, String body)
            throws IOException, InterruptedException {
        HttpRequest request =
                HttpRequest.newBuilder(URI.create(api + path))
                        .header("Content-Type", "application/json")
                        .method(
                                method,
                                body.isEmpty()
                                        ? BodyPublishers.noBody()
                                        : BodyPublishers.ofString(body))
                        .build();
        HttpResponse<String> answer = http.send(request, BodyHandlers.ofString());
        if (answer.statusCode() / 100 != 2) {
            throw new IOException(
                    method + " " + path + ": " + answer.statusCode() + " " + answer.body());
        }
        return answer.body();
    }

    private static String text(long[] nanos) {
        long[] sorted = nanos.clone();
        Arrays.sort(sorted);
        return String.format(
                Locale.ROOT,
                "%.1f / %.1f",
                sorted[sorted.length / 2] / 1e6,
                sorted[Math.max(0, (int) Math.ceil(sorted.length * 0.99) - 1)] / 1e6);
    }
}
