package io.cistern.server.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.api.Requests.Failure;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/// Sends requests to a cluster's API: to the first of several nodes that accepts a connection.
public final class RestClient {
    /// Longer than any handler takes ([io.cistern.volume.ClusterAdmin#DEADLINE_SECONDS]).
    private static final Duration TIMEOUT = Duration.ofSeconds(45);

    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(3);

    private final HttpClient http;
    private final List<String> urls;
    private final @Nullable String token;

    /// @param urls base URLs, one or more
    /// @param token null where the API needs none
    public RestClient(List<String> urls, @Nullable String token) {
        this(urls, token, null);
    }

    /// @param authority PEM certificates that the API's must be signed by; null for those that Java
    ///   trusts
    /// @throws CisternException INVALID or IO where the file cannot be used
    public RestClient(List<String> urls, @Nullable String token, @Nullable Path authority) {
        this(http(urls, authority), urls.stream().map(RestClient::base).toList(), token);
    }

    private static HttpClient http(List<String> urls, @Nullable Path authority) {
        HttpClient.Builder builder =
                HttpClient.newBuilder()
                        .version(HttpClient.Version.HTTP_1_1)
                        .connectTimeout(CONNECT_TIMEOUT);
        if (authority != null) {
            builder.sslContext(Trust.only(authority));
        } else if (urls.stream().noneMatch(url -> url.startsWith("https:"))) {
            builder.sslContext(Trust.nobody());
        }
        return builder.build();
    }

    private RestClient(HttpClient http, List<String> urls, @Nullable String token) {
        this.http = http;
        this.urls = urls;
        this.token = token;
    }

    public List<String> urls() {
        return urls;
    }

    /// A client for the first node that answers now.
    RestClient pinned() {
        for (String url : urls) {
            RestClient one = new RestClient(http, List.of(url), token);
            try {
                one.get("/v1/self", Requests.Self.class);
                return one;
            } catch (CisternException e) {
                if (e.code() != ErrorCode.UNAVAILABLE || url.equals(urls.getLast())) {
                    throw e;
                }
            }
        }
        throw new IllegalStateException("no URL");
    }

    <T> T get(String path, Class<T> type) {
        return send("GET", path, null, type);
    }

    /// @param type of the answer; [Void] for none
    @SuppressWarnings("NullAway") // an answer of type Void is null
    <T> T send(String method, String path, @Nullable Object body, Class<T> type) {
        HttpResponse<byte[]> response = exchange(method, path, body);
        try {
            if (response.statusCode() / 100 != 2) {
                Failure failure = null;
                if (response.headers()
                        .firstValue("Content-Type")
                        .orElse("")
                        .startsWith(ApiHandler.JSON)) {
                    failure = Json.LENIENT.readValue(response.body(), Failure.class);
                }
                throw exception(
                        failure,
                        response.uri() + " answered with HTTP status " + response.statusCode());
            }
            return type == Void.class ? null : Json.LENIENT.readValue(response.body(), type);
        } catch (JsonProcessingException e) {
            throw new CisternException(
                    ErrorCode.INTERNAL,
                    response.uri()
                            + " did not answer as a Cistern node does: "
                            + e.getOriginalMessage(),
                    e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read an answer: " + e, e);
        }
    }

    private HttpResponse<byte[]> exchange(String method, String path, @Nullable Object body) {
        CisternException last = null;
        for (String url : urls) {
            HttpRequest.Builder request =
                    HttpRequest.newBuilder(URI.create(url + path)).timeout(TIMEOUT);
            if (body == null) {
                request.method(method, BodyPublishers.noBody());
            } else {
                request.header("Content-Type", ApiHandler.JSON)
                        .method(method, BodyPublishers.ofByteArray(Json.bytes(body)));
            }
            if (token != null) {
                request.header("Authorization", "Bearer " + token);
            }
            try {
                return http.send(request.build(), BodyHandlers.ofByteArray());
            } catch (ConnectException | HttpConnectTimeoutException e) {
                last = unreachable(e); // certainly not executed: another node may be asked
            } catch (SSLException e) {
                throw untrusted(url, e);
            } catch (IOException e) {
                if (plainToTls(url, e)) {
                    throw new CisternException(
                            ErrorCode.INVALID,
                            url + " does not answer as HTTP does; does its API use https?",
                            e);
                }
                throw new CisternException(
                        ErrorCode.UNAVAILABLE,
                        url
                                + " did not answer"
                                + (e.getMessage() == null ? "" : " (" + e.getMessage() + ")")
                                + "; the request may or may not have taken effect",
                        e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CisternException(ErrorCode.UNAVAILABLE, "interrupted", e);
            }
        }
        throw last != null ? last : new IllegalStateException("no URL");
    }

    private static CisternException untrusted(String url, SSLException e) {
        String why = String.valueOf(e.getMessage());
        String told =
                why.contains("certification path")
                        ? "its certificate is signed by nobody who is trusted here; name the authority by --ca-file or CISTERN_CA_FILE"
                        : why.contains("plaintext") || why.contains("Unsupported or unrecognized")
                                ? "it does not speak TLS; does its API use http?"
                                : why.contains("certificate_required")
                                        ? "it wants a certificate as node traffic does; give the address of the API"
                                        : why;
        return new CisternException(
                ErrorCode.UNAUTHORIZED, "no secure connection to " + url + ": " + told, e);
    }

    /// What Java's client says of a TLS alert that comes as an answer to plain HTTP.
    private static boolean plainToTls(String url, IOException e) {
        String why = String.valueOf(e.getMessage());
        return url.startsWith("http:")
                && (why.contains("status line") || why.contains("header parser received no bytes"));
    }

    private CisternException unreachable(Throwable cause) {
        return new CisternException(
                ErrorCode.UNAVAILABLE,
                "no Cistern node answers at "
                        + String.join(", ", urls)
                        + "; 'cistern start' starts a local cluster, --api URL or CISTERN_API names another",
                cause);
    }

    static CisternException exception(@Nullable Failure failure, String otherwise) {
        if (failure == null || failure.code() == null || failure.message() == null) {
            return new CisternException(ErrorCode.INTERNAL, otherwise);
        }
        for (ErrorCode code : ErrorCode.values()) {
            if (code.name().equals(failure.code())) {
                return new CisternException(code, failure.message());
            }
        }
        return new CisternException(ErrorCode.INTERNAL, failure.message());
    }

    static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private static String base(String url) {
        if (!url.matches("https?://[^/?#\\s]+/?")) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "'" + url + "' is not an API address; write for example http://127.0.0.1:7480");
        }
        return url.endsWith("/") ? url.substring(0, url.length() - 1) : url;
    }
}
