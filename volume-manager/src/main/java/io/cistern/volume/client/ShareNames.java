package io.cistern.volume.client;

/// How shares are named among the cluster's volumes: no volume's name can have the prefix.
public final class ShareNames {
    public static final String PREFIX = "share:";

    private ShareNames() {}

    public static boolean isShare(String volumeName) {
        return volumeName.startsWith(PREFIX);
    }

    /// The share's own name.
    public static String of(String volumeName) {
        return volumeName.substring(PREFIX.length());
    }

    /// `volume NAME` or `share NAME`, for people.
    public static String shown(String volumeName) {
        return isShare(volumeName) ? "share " + of(volumeName) : "volume " + volumeName;
    }
}
