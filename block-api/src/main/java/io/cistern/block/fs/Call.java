package io.cistern.block.fs;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// What goes with a change: on whose behalf, under which id it is to happen exactly once, and what
/// the front end wants changed in its own durable state together with it. All of it takes effect in
/// one instant or none of it does.
///
/// Where the change is refused with a [FileException], nothing of `state` and `holds` takes effect,
/// but the refusal is remembered under `once`.
///
/// @param once null: not remembered
/// @param state applied in order; at most [FileSystem#MAX_STATE_CHANGE_BYTES] in all
/// @param holds at most [FileSystem#MAX_HOLDS_PER_CALL]
public record Call(
        Credentials who, @Nullable OnceId once, List<StateChange> state, List<Hold> holds) {
    public Call {
        state = List.copyOf(state);
        holds = List.copyOf(holds);
    }

    public static Call of(Credentials who) {
        return new Call(who, null, List.of(), List.of());
    }

    public static Call of(Credentials who, OnceId once) {
        return new Call(who, once, List.of(), List.of());
    }

    public Call withState(List<StateChange> changes) {
        return new Call(who, once, changes, holds);
    }

    public Call withHolds(List<Hold> changes) {
        return new Call(who, once, state, changes);
    }

    /// Names one change of one client's request. The share remembers, per (client, slot), the
    /// results of the changes of the last sequence number it has seen there; a change whose
    /// sequence number and index are among them is not done again: it returns the first result. Any
    /// other sequence number is taken for a new request and forgets what the slot held. Numbers are
    /// only told apart: what order they have, and what else of a request they stand for, is for the
    /// front end.
    ///
    /// Results live until the slot is used again or [FileSystem#forgetClient]; they survive the
    /// front end and its owner. At most [FileSystem#MAX_ONCE_SLOTS] slots in a share, LIMIT beyond.
    ///
    /// @param client as the front end numbers its clients
    /// @param slot unsigned
    /// @param sequence unsigned
    /// @param index which change within the request, 0 to [FileSystem#MAX_ONCE_INDEX]
    public record OnceId(long client, int slot, int sequence, int index) {}

    /// A change of the share's state area.
    ///
    /// @param key 1 to [FileSystem#MAX_STATE_KEY_BYTES] bytes
    /// @param value null: removes the key, if it is there; at most
    ///   [FileSystem#MAX_STATE_VALUE_BYTES]
    public record StateChange(ByteString key, @Nullable ByteString value) {}

    /// Begins or ends the use of a file by an open of the front end. A file that has lost its last
    /// name lives until its last hold ends. Holds survive the front end and its owner. Beginning a
    /// hold that exists, or ending one that does not, changes nothing.
    ///
    /// @param file null: the file that this very call creates, finds or changes
    /// @param client as in [OnceId]; [FileSystem#forgetClient] ends all its holds
    /// @param open chosen by the front end, unique within the client
    public record Hold(@Nullable FileId file, long client, long open, boolean begin) {}
}
