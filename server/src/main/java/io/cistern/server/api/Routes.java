package io.cistern.server.api;

import io.cistern.server.api.Requests.Self;
import io.cistern.volume.ClusterAdmin;
import java.util.List;
import java.util.stream.Stream;

/// All operations of the API.
final class Routes {
    private Routes() {}

    static List<Route> of(ClusterAdmin admin, Self self, Verifications verifications) {
        return Stream.of(
                        new ClusterRoutes(admin, self, verifications),
                        new VolumeRoutes(admin),
                        new ShareRoutes(admin::shares),
                        new AccessRoutes(admin))
                .flatMap(table -> table.all().stream())
                .toList();
    }
}
