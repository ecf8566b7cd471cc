package io.cistern.storage;

import io.cistern.block.ErrorCode;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// What volumes hold, as plainly as it can be said: a block is a number, and each number stands for
/// 4 KiB of a pattern.
final class Model {
    static final int BLOCK = 4096;

    final Map<Long, Content> volumes = new TreeMap<>();

    /// Requests that were executed, with their refusal if they had one: a repeated one has the same
    /// result and no second effect.
    private final Map<String, Optional<ErrorCode>> executed = new HashMap<>();

    static final class Content {
        long size;
        TreeMap<Long, Integer> blocks = new TreeMap<>();
        final Map<String, TreeMap<Long, Integer>> snapshots = new LinkedHashMap<>();
        final Map<String, Long> sizes = new LinkedHashMap<>();
        @Nullable String parentSnapshot;
        long parent;
        long attachment;
        long recordVersion;
        ByteBuffer record = ByteBuffer.allocate(0);

        Content(long size) {
            this.size = size;
        }
    }

    Content volume(long id) {
        Content c = volumes.get(id);
        if (c == null) {
            throw new AssertionError("no volume " + id);
        }
        return c;
    }

    TreeMap<Long, Integer> snapshot(long id, String name) {
        TreeMap<Long, Integer> s = volume(id).snapshots.get(name);
        if (s == null) {
            throw new AssertionError("no snapshot " + name);
        }
        return s;
    }

    boolean hasClones(long volume, @Nullable String snapshot) {
        return volumes.values().stream()
                .anyMatch(c ->
                        c.parentSnapshot != null
                                && c.parent == volume
                                && (snapshot == null || c.parentSnapshot.equals(snapshot)));
    }

    /// Applies a command that is known to be admissible but for BUSY; returns the expected refusal.
    @Nullable ErrorCode apply(long index, Command command) {
        return switch (command) {
            case Command.Write w -> once(index, w.volume(), w.origin(), w);
            case Command.Zero z -> once(index, z.volume(), z.origin(), z);
            case Command.ReplaceRecord c -> once(index, c.volume(), c.origin(), c);
            case Command.Settle c -> once(index, c.volume(), c.origin(), c);
            default -> effect(index, command);
        };
    }

    private @Nullable ErrorCode once(long index, long volume, Origin origin, Command command) {
        String number = origin.attachment() + "/" + origin.seq();
        Optional<ErrorCode> first = executed.get(number);
        if (first != null) {
            return first.orElse(null);
        }
        ErrorCode refused =
                origin.guarded() && origin.guard() != volume(volume).recordVersion
                        ? ErrorCode.CHANGED
                        : effect(index, command);
        executed.put(number, Optional.ofNullable(refused));
        return refused;
    }

    private @Nullable ErrorCode effect(long index, Command command) {
        switch (command) {
            case Command.Write w -> {
                for (int i = 0; i < w.crcs().length; i++) {
                    volume(w.volume())
                            .blocks
                            .put(
                                    w.offset() / BLOCK + i,
                                    w.data().getInt(w.data().position() + i * BLOCK));
                }
            }
            case Command.Zero z -> {
                long first = z.offset() / BLOCK;
                volume(z.volume()).blocks.subMap(first, first + z.length() / BLOCK).clear();
            }
            case Command.CreateVolume c -> volumes.put(c.volume(), new Content(c.sizeBytes()));
            case Command.CloneVolume c -> {
                Content from = volume(c.parent());
                Content clone = new Content(from.sizes.getOrDefault(c.snapshot(), 0L));
                clone.blocks = new TreeMap<>(snapshot(c.parent(), c.snapshot()));
                clone.parent = c.parent();
                clone.parentSnapshot = c.snapshot();
                volumes.put(c.volume(), clone);
            }
            case Command.DeleteVolume c -> {
                if (hasClones(c.volume(), null)) {
                    return ErrorCode.BUSY;
                }
                volumes.remove(c.volume());
            }
            case Command.Resize c -> volume(c.volume()).size = c.sizeBytes();
            case Command.SetLimits c -> volume(c.volume());
            case Command.CreateSnapshots c ->
                    c.targets().forEach(t -> freeze(volume(t.volume()), t.snapshot()));
            case Command.DeleteSnapshot c -> {
                if (hasClones(c.volume(), c.snapshot())) {
                    return ErrorCode.BUSY;
                }
                volume(c.volume()).snapshots.remove(c.snapshot());
                volume(c.volume()).sizes.remove(c.snapshot());
            }
            case Command.Rollback c -> {
                Content v = volume(c.volume());
                if (v.attachment != 0) {
                    return ErrorCode.BUSY;
                }
                TreeMap<Long, Integer> target = snapshot(c.volume(), c.snapshot());
                long size = v.sizes.getOrDefault(c.snapshot(), 0L);
                freeze(v, c.safetyName());
                v.blocks = new TreeMap<>(target);
                v.size = size;
            }
            case Command.Attach c -> volume(c.volume()).attachment = index;
            case Command.Detach c -> volume(c.volume()).attachment = 0;
            case Command.Resume c -> volume(c.volume()).attachment = index;
            case Command.ReplaceRecord c -> {
                volume(c.volume()).recordVersion++;
                volume(c.volume()).record = c.bytes();
            }
            case Command.Settle c -> volume(c.volume());
            case Command.IfUnchanged c -> {
                return effect(index, c.command());
            }
            case Command.FileChange c -> throw new AssertionError("shares have their own model");
        }
        return null;
    }

    private static void freeze(Content v, String name) {
        v.snapshots.put(name, new TreeMap<>(v.blocks));
        v.sizes.put(name, v.size);
    }

    /// The pattern of a number; 0: zeroes.
    static void fill(ByteBuffer dst, int stamp) {
        for (int i = 0; i < BLOCK / 4; i++) {
            dst.putInt(stamp == 0 ? 0 : i == 0 ? stamp : stamp * 31 + i);
        }
    }

    static ByteBuffer bytes(TreeMap<Long, Integer> blocks, long first, int count) {
        ByteBuffer out = ByteBuffer.allocate(count * BLOCK);
        for (long b = first; b < first + count; b++) {
            fill(out, blocks.getOrDefault(b, 0));
        }
        return out.flip();
    }
}
