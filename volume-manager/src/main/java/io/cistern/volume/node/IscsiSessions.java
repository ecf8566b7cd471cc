package io.cistern.volume.node;

import io.cistern.volume.IscsiExport;
import java.util.List;

/// What a node answers about its portal's sessions.
record IscsiSessions(List<IscsiExport.Session> sessions) {}
