package io.cistern.nas;

import static org.assertj.core.api.Assertions.assertThat;

import io.cistern.nas.share.Cidr;
import io.cistern.nas.share.ClientRule;
import io.cistern.nas.xdr.XdrReader;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// RPC over TLS (RFC 9289), with a certificate that the JDK's own keytool makes.
class TlsTest {
    private static final ClientRule ONLY_TLS =
            new ClientRule(Cidr.ANY_V4, false, false, false, true, false);

    @TempDir Path dir;

    @Test
    void aShareThatDemandsTlsIsServedOverTlsOnly() throws Exception {
        KeyStore keys = keys();
        KeyManagerFactory own = KeyManagerFactory.getInstance("PKIX");
        own.init(keys, "changeit".toCharArray());
        SslContext tls = NfsConfig.tlsFor(SslContextBuilder.forServer(own));
        try (TestServer server = TestServer.of(ONLY_TLS, c -> c.withTls(tls));
                RpcTestClient c = server.client()) {
            assertThat(mount(c)).as("plain").isEqualTo(13);

            c.sendRecord(
                    ByteBufUtil.getBytes(
                            Unpooled.buffer()
                                    .writeInt(5)
                                    .writeInt(0)
                                    .writeInt(2)
                                    .writeInt(RpcTestClient.NFS)
                                    .writeInt(3)
                                    .writeInt(0)
                                    .writeInt(7)
                                    .writeInt(0)
                                    .writeLong(0)));
            XdrReader probe = c.receive();
            assertThat(new int[] {probe.readInt(), probe.readInt(), probe.readInt()})
                    .containsExactly(5, 1, 0);
            assertThat(probe.readInt()).isZero();
            assertThat(new String(probe.readOpaque(8, "verifier"), StandardCharsets.US_ASCII))
                    .isEqualTo("STARTTLS");

            c.use(secure(c, keys));
            assertThat(mount(c)).as("over TLS").isZero();
        }
    }

    private static int mount(RpcTestClient c) {
        return c.call(RpcTestClient.MOUNT, 3, 1, o -> o.writeString("/share")).readInt();
    }

    private static SSLSocket secure(RpcTestClient c, KeyStore keys) throws Exception {
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(keys);
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(null, trust.getTrustManagers(), null);
        SSLSocket socket =
                (SSLSocket)
                        context.getSocketFactory()
                                .createSocket(c.socket(), "localhost", c.socket().getPort(), true);
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setApplicationProtocols(new String[] {"sunrpc"});
        socket.setSSLParameters(parameters);
        socket.startHandshake();
        assertThat(socket.getApplicationProtocol()).isEqualTo("sunrpc");
        return socket;
    }

    private KeyStore keys() throws Exception {
        Path file = dir.resolve("keys.p12");
        Process keytool =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "keytool")
                                        .toString(),
                                "-genkeypair",
                                "-alias",
                                "nfs",
                                "-keyalg",
                                "EC",
                                "-dname",
                                "CN=localhost",
                                "-storepass",
                                "changeit",
                                "-keystore",
                                file.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(dir.resolve("log").toFile())
                        .start();
        assertThat(keytool.waitFor()).isZero();
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (var in = Files.newInputStream(file)) {
            keys.load(in, "changeit".toCharArray());
        }
        // Trusted as well as owned.
        keys.setCertificateEntry("ca", keys.getCertificate("nfs"));
        return keys;
    }
}
