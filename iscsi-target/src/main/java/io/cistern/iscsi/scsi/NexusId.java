package io.cistern.iscsi.scsi;

/// An I_T nexus (SAM-5 4.7): an initiator port and a target port.
///
/// @param initiatorName iSCSI name, at most 223 bytes
/// @param isid the 48 bits that tell the initiator's sessions apart (RFC 7143 11.12.5); with the
///   name they are the initiator port's TransportID
/// @param targetPortGroup tag of the portal group, also the relative target port identifier
public record NexusId(String initiatorName, long isid, int targetPortGroup) {}
