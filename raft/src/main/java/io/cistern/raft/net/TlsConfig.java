package io.cistern.raft.net;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.net.ssl.SSLException;

/// Mutual TLS 1.3: both ends present a certificate that the cluster's own authority signed. Host
/// names are not compared, because the authority signs nothing but nodes of the one cluster.
///
/// @param certificateChain PEM, this node's certificate first
/// @param key PEM, PKCS#8, not encrypted
/// @param authority PEM, the certificates that sign peers
public record TlsConfig(Path certificateChain, Path key, Path authority) {
    /// @throws CisternException INVALID, naming the files, if one is missing or malformed
    SslContext forServer() {
        return build(true);
    }

    /// @throws CisternException INVALID, naming the files, if one is missing or malformed
    SslContext forClient() {
        return build(false);
    }

    private SslContext build(boolean server) {
        try (InputStream chain = Files.newInputStream(certificateChain);
                InputStream secret = Files.newInputStream(key);
                InputStream trusted = Files.newInputStream(authority)) {
            SslContextBuilder builder =
                    server
                            ? SslContextBuilder.forServer(chain, secret)
                                    .clientAuth(ClientAuth.REQUIRE)
                            : SslContextBuilder.forClient()
                                    .keyManager(chain, secret)
                                    .endpointIdentificationAlgorithm("");
            return builder.sslProvider(SslProvider.JDK)
                    .trustManager(trusted)
                    .protocols("TLSv1.3")
                    .build();
        } catch (SSLException | IllegalArgumentException e) {
            throw new CisternException(ErrorCode.INVALID, "cannot use " + files() + ": " + e, e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.INVALID, "cannot read " + files() + ": " + e, e);
        }
    }

    private String files() {
        return "the TLS files " + certificateChain + ", " + key + " and " + authority;
    }
}
