package io.cistern.block.fs.testing;

import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileType;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// A file of a [FileModel]: plain collections.
final class ModelFile {
    static final int BLOCK = 4096;

    final FileId id;
    final FileType type;
    final TreeMap<ByteString, ModelFile> children = new TreeMap<>();
    final TreeMap<ByteString, ByteString> xattrs = new TreeMap<>();

    /// Blocks that were written or allocated and are not zeroed since; absent ones are holes.
    final TreeMap<Long, byte[]> blocks = new TreeMap<>();

    ByteString target = ByteString.EMPTY;
    @Nullable ModelFile parent;
    int mode;
    int uid;
    int gid;
    int links;
    long size;
    boolean held;

    ModelFile(FileId id, FileType type, int mode, int uid, int gid) {
        this.id = id;
        this.type = type;
        this.mode = mode;
        this.uid = uid;
        this.gid = gid;
        this.links = type == FileType.DIRECTORY ? 2 : 1;
    }

    boolean isDirectory() {
        return type == FileType.DIRECTORY;
    }

    boolean allows(Credentials who, int bits) {
        if (who.uid() == 0) {
            return (bits & 1) == 0 || isDirectory() || (mode & 0111) != 0;
        }
        int mine = mode;
        if (who.uid() == uid) {
            mine >>= 6;
        } else if (who.inGroup(gid)) {
            mine >>= 3;
        }
        return (mine & bits) == bits;
    }

    boolean ownedBy(Credentials who) {
        return who.uid() == 0 || who.uid() == uid;
    }

    boolean mayWriteData(Credentials who) {
        return who.uid() == uid || allows(who, 2);
    }

    boolean mayReadData(Credentials who) {
        return who.uid() == uid || allows(who, 4) || allows(who, 1);
    }

    void written(Credentials who) {
        if (who.uid() != 0) {
            mode &= ~04000;
            if ((mode & 010) != 0) {
                mode &= ~02000;
            }
        }
    }

    void write(long offset, byte[] data) {
        for (int i = 0; i < data.length; ) {
            long at = offset + i;
            byte[] block = blocks.computeIfAbsent(at / BLOCK, b -> new byte[BLOCK]);
            int within = (int) (at % BLOCK);
            int length = Math.min(BLOCK - within, data.length - i);
            System.arraycopy(data, i, block, within, length);
            i += length;
        }
        size = Math.max(size, offset + data.length);
    }

    void allocate(long offset, long length) {
        for (long b = offset / BLOCK; b * BLOCK < offset + length; b++) {
            blocks.computeIfAbsent(b, x -> new byte[BLOCK]);
        }
        size = Math.max(size, offset + length);
    }

    void resize(long wanted) {
        if (wanted < size) {
            zero(wanted, size - wanted);
            blocks.tailMap((wanted + BLOCK - 1) / BLOCK).clear();
        }
        size = wanted;
    }

    /// Zeroes bytes; whole blocks become holes, as does a last block that ends with the file.
    void zero(long offset, long length) {
        long end = Math.min(offset + length, size);
        if (offset >= end) {
            return;
        }
        List<Long> present =
                List.copyOf(blocks.subMap(offset / BLOCK, (end - 1) / BLOCK + 1).keySet());
        for (long b : present) {
            long from = Math.max(offset, b * BLOCK);
            long to = Math.min(end, (b + 1) * BLOCK);
            boolean whole = from == b * BLOCK && (to == (b + 1) * BLOCK || to == size);
            byte[] block = blocks.get(b);
            if (whole) {
                blocks.remove(b);
            } else if (block != null) {
                Arrays.fill(block, (int) (from - b * BLOCK), (int) (to - b * BLOCK), (byte) 0);
            }
        }
    }

    byte[] read(long offset, int length) {
        int count = (int) Math.max(0, Math.min(length, size - offset));
        byte[] data = new byte[count];
        for (int i = 0; i < count; ) {
            long at = offset + i;
            int within = (int) (at % BLOCK);
            int part = Math.min(BLOCK - within, count - i);
            byte[] block = blocks.get(at / BLOCK);
            if (block != null) {
                System.arraycopy(block, within, data, i, part);
            }
            i += part;
        }
        return data;
    }

    /// A copy of the whole tree, hard links kept.
    ModelFile copy() {
        return copy(new IdentityHashMap<>());
    }

    private ModelFile copy(Map<ModelFile, ModelFile> done) {
        ModelFile known = done.get(this);
        if (known != null) {
            return known;
        }
        ModelFile copy = new ModelFile(id, type, mode, uid, gid);
        done.put(this, copy);
        copy.links = links;
        copy.size = size;
        copy.target = target;
        copy.xattrs.putAll(xattrs);
        blocks.forEach((b, data) -> copy.blocks.put(b, data.clone()));
        children.forEach((name, child) -> {
            ModelFile c = child.copy(done);
            c.parent = copy;
            copy.children.put(name, c);
        });
        return copy;
    }
}
