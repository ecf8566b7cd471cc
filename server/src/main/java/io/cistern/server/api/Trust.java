package io.cistern.server.api;

import io.cistern.block.CisternException;
import io.cistern.block.ErrorCode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Collection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/// Whom a client of the API trusts.
final class Trust {
    private Trust() {}

    /// Trusts nobody, for connections without TLS: Java's default begins with reading all the
    /// certificates of the machine, which every command would wait for.
    static SSLContext nobody() {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[0], null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new CisternException(ErrorCode.INTERNAL, "no TLS in this Java: " + e, e);
        }
    }

    /// Trusts what the certificates in a PEM file have signed, and nothing else. Host names are
    /// compared as HTTPS does (RFC 9110, section 4.3.4).
    ///
    /// @throws CisternException NOT_FOUND, INVALID or IO, naming the file
    static SSLContext only(Path authority) {
        try (InputStream in = Files.newInputStream(authority)) {
            Collection<? extends Certificate> certificates =
                    CertificateFactory.getInstance("X.509").generateCertificates(in);
            if (certificates.isEmpty()) {
                throw new CisternException(
                        ErrorCode.INVALID, authority + " holds no PEM certificate");
            }
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            int n = 0;
            for (Certificate certificate : certificates) {
                store.setCertificateEntry("authority-" + n++, certificate);
            }
            TrustManagerFactory trust =
                    TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (NoSuchFileException e) {
            throw new CisternException(
                    ErrorCode.NOT_FOUND, "there is no certificate file " + authority, e);
        } catch (IOException e) {
            throw new CisternException(ErrorCode.IO, "cannot read " + authority + ": " + e, e);
        } catch (GeneralSecurityException e) {
            throw new CisternException(
                    ErrorCode.INVALID,
                    "cannot use the certificates in " + authority + ": " + e.getMessage(),
                    e);
        }
    }
}
