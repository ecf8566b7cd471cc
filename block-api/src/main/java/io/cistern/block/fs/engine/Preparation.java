package io.cistern.block.fs.engine;

import io.cistern.block.BlockDevice;
import io.cistern.block.Crc32c;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.engine.FileReads.Piece;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the leader does before a change is logged: turns bytes into whole blocks, which takes
/// reading the blocks that are changed in part. From the reading until the change has taken effect
/// nothing else may change those blocks: hold [#range].
public final class Preparation {
    private static final int BLOCK = BlockDevice.BLOCK_BYTES;

    private final Views views;

    public Preparation(Views views) {
        this.views = views;
    }

    /// The blocks of a file that a change must have to itself.
    ///
    /// @param from multiple of 4096
    public record Range(long inode, long from, long to) {}

    /// Null where a change does not depend on contents.
    public static @Nullable Range range(FileOp op) {
        return switch (op) {
            case FileOp.Write o when o.length() > 0 ->
                    range(o.file(), o.offset(), o.offset() + o.length());
            case FileOp.SetAttr o when o.set().size() != null ->
                    new Range(o.file().inode(), 0, FileSystem.MAX_FILE_BYTES);
            case FileOp.Deallocate o -> new Range(o.file().inode(), 0, FileSystem.MAX_FILE_BYTES);
            default -> null;
        };
    }

    private static Range range(FileId file, long from, long end) {
        long to = end < 0 || end > FileSystem.MAX_FILE_BYTES ? FileSystem.MAX_FILE_BYTES : up(end);
        return new Range(file.inode(), Math.max(0, down(from)), to);
    }

    private static long down(long offset) {
        return offset & -BLOCK;
    }

    private static long up(long offset) {
        return down(offset + BLOCK - 1);
    }

    /// Whether preparing has to read, and so may block.
    public static boolean reads(FileOp op) {
        return switch (op) {
            case FileOp.Write o -> (o.offset() | o.length()) % BLOCK != 0;
            case FileOp.SetAttr o -> {
                Long size = o.set().size();
                yield size != null && size % BLOCK != 0;
            }
            case FileOp.Deallocate o -> (o.offset() | o.length()) % BLOCK != 0;
            default -> false;
        };
    }

    /// The blocks that go with a change. A change that will be refused gets none.
    ///
    /// @param data of a write
    public List<Blocks> blocks(FileOp op, @Nullable ByteBuffer data) {
        try {
            return switch (op) {
                case FileOp.Write o when data != null && o.length() > 0 -> write(o, data);
                case FileOp.SetAttr o -> cut(o);
                case FileOp.Deallocate o -> punch(o);
                default -> List.of();
            };
        } catch (FileException refused) {
            return List.of();
        }
    }

    private static boolean possible(long offset, long length) {
        return offset >= 0 && length >= 0 && offset <= FileSystem.MAX_FILE_BYTES - length;
    }

    private List<Blocks> write(FileOp.Write op, ByteBuffer data) {
        if (!possible(op.offset(), op.length())) {
            return List.of();
        }
        long from = down(op.offset());
        long end = op.offset() + op.length();
        long to = up(end);
        ByteBuffer blocks;
        if (from == op.offset() && to == end) {
            blocks = data.slice();
        } else {
            blocks = ByteBuffer.allocate((int) (to - from));
            if (from != op.offset()) {
                blocks.put(0, block(op.file(), from), 0, BLOCK);
            }
            if (to != end && (to - BLOCK != from || from == op.offset())) {
                blocks.put((int) (to - from) - BLOCK, block(op.file(), to - BLOCK), 0, BLOCK);
            }
            blocks.put((int) (op.offset() - from), data, data.position(), op.length());
        }
        return List.of(new Blocks(from, Crc32c.ofBlocks(blocks), blocks));
    }

    private List<Blocks> cut(FileOp.SetAttr op) {
        Long size = op.set().size();
        if (size == null || size % BLOCK == 0 || !possible(size, 0)) {
            return List.of();
        }
        ByteBuffer block = block(op.file(), down(size));
        zero(block, (int) (size % BLOCK), BLOCK);
        return List.of(new Blocks(down(size), Crc32c.ofBlocks(block), block));
    }

    private List<Blocks> punch(FileOp.Deallocate op) {
        if (!possible(op.offset(), op.length()) || op.length() == 0) {
            return List.of();
        }
        long end = op.offset() + op.length();
        List<Blocks> edges = new ArrayList<>(2);
        if (op.offset() % BLOCK != 0) {
            edge(edges, op.file(), down(op.offset()), op.offset(), end);
        }
        if (end % BLOCK != 0 && (edges.isEmpty() || down(end) != down(op.offset()))) {
            edge(edges, op.file(), down(end), op.offset(), end);
        }
        return edges;
    }

    private void edge(List<Blocks> edges, FileId file, long at, long from, long end) {
        ByteBuffer block = block(file, at);
        zero(block, (int) Math.max(0, from - at), (int) Math.min(BLOCK, end - at));
        edges.add(new Blocks(at, Crc32c.ofBlocks(block), block));
    }

    private static void zero(ByteBuffer block, int from, int to) {
        block.put(from, new byte[to - from]);
    }

    /// A stretch of the data space.
    ///
    /// @param address -1: not taken yet
    public record Place(long address, int length) {}

    /// Where blocks of a change will go, as far as that is known now.
    public List<Place> places(FileOp op, Blocks blocks) {
        Range range = range(op);
        if (range == null) {
            return List.of();
        }
        int length = blocks.data().remaining();
        return views.still(() -> {
            Rows rows = views.rows(0);
            byte[] row = rows.get(RowKeys.inode(range.inode()));
            List<Place> places = new ArrayList<>(2);
            if (row == null) {
                return places;
            }
            Inode inode = Inode.decode(range.inode(), row);
            for (Piece p : FileReads.pieces(rows, inode, blocks.offset(), length)) {
                places.add(new Place(p.address(), p.length()));
            }
            return places;
        });
    }

    /// A block of a file as it is now; zeroes where there is none.
    private ByteBuffer block(FileId file, long offset) {
        List<Piece> pieces =
                views.still(() -> {
                    Rows rows = views.rows(0);
                    Inode inode = Lookups.load(rows, file);
                    return offset >= inode.size
                            ? List.of(new Piece(-1, BLOCK))
                            : FileReads.pieces(rows, inode, offset, BLOCK);
                });
        ByteBuffer block = ByteBuffer.allocate(BLOCK);
        FileReads.fill(views.blocks(0), pieces, block);
        return block.clear();
    }
}
