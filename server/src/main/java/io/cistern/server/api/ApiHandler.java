package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.cistern.server.api.Pages.Page;
import io.cistern.server.api.Requests.Failure;
import io.cistern.server.config.ServerConfig.ApiConfig;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.timeout.IdleStateEvent;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One connection. Reads one request at a time: the next is read once the answer is written.
final class ApiHandler extends SimpleChannelInboundHandler<FullHttpRequest> {
    static final String JSON = "application/json";

    /// Answered, as NOT_FOUND, to a path that this release does not have. Clients of later ones
    /// know it by these words.
    static final String NO_RESOURCE = "no such resource; /openapi.json lists all of them";

    private static final Logger LOG = LoggerFactory.getLogger(ApiHandler.class);

    private final ApiConfig config;
    private final Router router;
    private final Pages pages;
    private final ExecutorService threads;
    private final IntConsumer answered;
    private boolean working;

    /// @param answered hears the status of every answer
    ApiHandler(
            ApiConfig config,
            Router router,
            Pages pages,
            ExecutorService threads,
            IntConsumer answered) {
        this.answered = answered;
        this.config = config;
        this.router = router;
        this.pages = pages;
        this.threads = threads;
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
        boolean keepAlive = HttpUtil.isKeepAlive(request) && request.decoderResult().isSuccess();
        if (!request.decoderResult().isSuccess()) {
            send(context, failure(400, ErrorCode.INVALID, "not an HTTP request"), false);
            return;
        }
        FullHttpResponse refused = refusal(request);
        if (refused != null) {
            send(context, refused, keepAlive);
            return;
        }
        String method = request.method().name();
        String uri = request.uri();
        byte[] body = ByteBufUtil.getBytes(request.content());
        working = true;
        context.channel().config().setAutoRead(false);
        try {
            threads.execute(() -> {
                FullHttpResponse response = answer(method, uri, body);
                context.executor().execute(() -> finish(context, response, keepAlive));
            });
        } catch (RejectedExecutionException e) {
            LOG.debug("shutting down", e);
            context.close();
        }
    }

    private void finish(ChannelHandlerContext context, FullHttpResponse response, boolean keep) {
        working = false;
        send(context, response, keep);
        context.channel().config().setAutoRead(true);
    }

    private FullHttpResponse answer(String method, String uri, byte[] body) {
        try {
            int mark = uri.indexOf('?');
            Page page =
                    method.equals("GET")
                            ? pages.get(mark < 0 ? uri : uri.substring(0, mark))
                            : null;
            if (page != null) {
                return response(page.status(), page.type(), page.body());
            }
            Router.Match match = router.match(method, uri);
            Route route = match.route();
            if (route == null) {
                return nothingThere(method, match);
            }
            if (route.body() == null && body.length > 0) {
                throw new CisternException(ErrorCode.INVALID, "this request takes no body");
            }
            Object value = route.handler().apply(new Request(match.parts(), match.query(), body));
            return response(
                    route.answer().status(), JSON, value == null ? new byte[0] : Json.bytes(value));
        } catch (RuntimeException e) {
            CisternException known = CisternException.of(e);
            if (known.code() == ErrorCode.INTERNAL) {
                LOG.error("{} {} failed", method, uri, e);
            }
            return failure(
                    Statuses.of(known.code()), known.code(), String.valueOf(known.getMessage()));
        }
    }

    private static FullHttpResponse nothingThere(String method, Router.Match match) {
        if (match.allowed().isEmpty()) {
            return failure(404, ErrorCode.NOT_FOUND, NO_RESOURCE);
        }
        String allowed = String.join(", ", match.allowed());
        FullHttpResponse response =
                failure(405, ErrorCode.INVALID, method + " is not allowed here, only " + allowed);
        response.headers().set(HttpHeaderNames.ALLOW, allowed);
        return response;
    }

    /// What is refused before any handler runs: requests without the token, and those that a web
    /// page of another origin makes a browser send.
    private @Nullable FullHttpResponse refusal(FullHttpRequest request) {
        HttpHeaders headers = request.headers();
        String origin = headers.get(HttpHeaderNames.ORIGIN);
        String host = headers.get(HttpHeaderNames.HOST);
        if (origin != null && !sameHost(origin, host)) {
            return failure(403, ErrorCode.UNAUTHORIZED, "requests of other origins are refused");
        }
        if (config.token() == null && (host == null || !isAddressOrLocal(host))) {
            return failure(
                    403,
                    ErrorCode.UNAUTHORIZED,
                    "the Host header must be an IP address or localhost, unless a token is configured");
        }
        if (request.content().isReadable()) {
            String type = headers.get(HttpHeaderNames.CONTENT_TYPE, "");
            if (!type.split(";", 2)[0].strip().equalsIgnoreCase(JSON)) {
                return failure(415, ErrorCode.INVALID, "the Content-Type must be application/json");
            }
        }
        if (!request.uri().equals("/health") && !authorized(headers)) {
            FullHttpResponse response =
                    failure(
                            401,
                            ErrorCode.UNAUTHORIZED,
                            (headers.contains(HttpHeaderNames.AUTHORIZATION)
                                            ? "this is not the API's token"
                                            : "the API wants a token")
                                    + ": name the file that holds it by --token-file or CISTERN_TOKEN_FILE");
            response.headers().set(HttpHeaderNames.WWW_AUTHENTICATE, "Bearer");
            return response;
        }
        return null;
    }

    private boolean authorized(HttpHeaders headers) {
        String token = config.token();
        if (token == null) {
            return true;
        }
        String given = headers.get(HttpHeaderNames.AUTHORIZATION, "");
        return given.regionMatches(true, 0, "Bearer ", 0, 7)
                && MessageDigest.isEqual(
                        given.substring(7).getBytes(StandardCharsets.UTF_8),
                        token.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean sameHost(String origin, @Nullable String host) {
        try {
            String authority = URI.create(origin).getRawAuthority();
            return authority != null && authority.equalsIgnoreCase(host);
        } catch (IllegalArgumentException e) {
            LOG.debug("bad Origin header", e);
            return false;
        }
    }

    /// A name that an attacker's DNS can point here is neither.
    private static boolean isAddressOrLocal(String host) {
        String name = host.replaceFirst(":[0-9]+$", "");
        return name.equalsIgnoreCase("localhost")
                || name.matches("[0-9.]+")
                || name.matches("\\[[0-9a-fA-F:.]+]");
    }

    private static FullHttpResponse failure(int status, ErrorCode code, String message) {
        return response(status, JSON, Json.bytes(new Failure(code.name(), message)));
    }

    private static FullHttpResponse response(int status, String type, byte[] body) {
        FullHttpResponse response =
                new DefaultFullHttpResponse(
                        HttpVersion.HTTP_1_1,
                        HttpResponseStatus.valueOf(status),
                        Unpooled.wrappedBuffer(body));
        if (status != 204) {
            response.headers().set(HttpHeaderNames.CONTENT_TYPE, type);
            response.headers().setInt(HttpHeaderNames.CONTENT_LENGTH, body.length);
        }
        response.headers().set(HttpHeaderNames.CACHE_CONTROL, "no-store");
        return response;
    }

    private void send(ChannelHandlerContext context, FullHttpResponse response, boolean keepAlive) {
        answered.accept(response.status().code());
        HttpUtil.setKeepAlive(response, keepAlive);
        var written = context.writeAndFlush(response);
        if (!keepAlive) {
            written.addListener(ChannelFutureListener.CLOSE);
        }
    }

    /// A connection with a request in work is not idle: the answer may take as long as it takes.
    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event instanceof IdleStateEvent && !working) {
            context.close();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        LOG.debug("API connection from {} ends", context.channel().remoteAddress(), cause);
        context.close();
    }
}
