/// The REST API: server, routes, OpenAPI document, and the client that the command line uses.
@NullMarked
package io.cistern.server.api;

import org.jspecify.annotations.NullMarked;
