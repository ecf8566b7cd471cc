package io.cistern.server.api;

import io.cistern.block.ErrorCode;

/// HTTP statuses of error codes (RFC 9110 section 15; 507 is RFC 4918 section 11.5).
final class Statuses {
    private Statuses() {}

    static int of(ErrorCode code) {
        return switch (code) {
            case INVALID, OUT_OF_RANGE -> 400;
            case UNAUTHORIZED -> 401;
            case NOT_FOUND -> 404;
            case ALREADY_EXISTS, BUSY, FENCED, READ_ONLY, CHANGED -> 409;
            case LIMIT -> 429;
            case NO_SPACE -> 507;
            case NOT_LEADER, UNAVAILABLE, STALE -> 503;
            case CORRUPT, IO, INTERNAL -> 500;
        };
    }
}
