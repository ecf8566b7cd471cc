package io.cistern.block.fs.testing;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Entry;
import io.cistern.block.fs.FileResults.Listing;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/// Compares a file system with the model of one. One thread.
final class TreeComparison {
    private final FileSystem fs;
    private final Random random;

    TreeComparison(FileSystem fs, Random random) {
        this.fs = fs;
        this.random = random;
    }

    /// A file, and all below it where it is a directory.
    void compare(ModelFile model, FileId id) {
        same(model, fs.attributes(id).join());
        if (model.isDirectory()) {
            Map<ByteString, Entry> listed = list(id);
            FileModel.check(
                    listed.keySet().equals(model.children.keySet()),
                    "directory "
                            + id
                            + " has "
                            + listed.keySet()
                            + ", not "
                            + model.children.keySet());
            model.children.forEach((name, child) -> {
                Entry e = listed.get(name);
                if (e == null) {
                    throw new AssertionError(name + " is not listed");
                }
                Attributes found = e.attributes();
                FileModel.check(found != null, "no attributes");
                FileId looked = fs.lookup(Credentials.ROOT, id, name).join().file().id();
                FileModel.check(looked.equals(e.file()), "lookup and listing of " + name);
                FileModel.check(looked.inode() == child.id.inode(), "inode of " + name);
                compare(child, looked);
            });
        } else if (model.type == FileType.SYMLINK) {
            FileModel.check(fs.readlink(id).join().equals(model.target), "target of " + id);
        } else if (model.type == FileType.REGULAR) {
            contents(model, id);
        }
        List<ByteString> names = fs.xattrs(Credentials.ROOT, id, ByteString.EMPTY, 100).join();
        FileModel.check(names.equals(List.copyOf(model.xattrs.keySet())), "attributes of " + id);
        model.xattrs.forEach((name, value) ->
                FileModel.check(
                        fs.xattr(Credentials.ROOT, id, name).join().equals(value),
                        "attribute " + name));
    }

    private Map<ByteString, Entry> list(FileId id) {
        Map<ByteString, Entry> found = new TreeMap<>();
        Map<Long, Boolean> cookies = new HashMap<>();
        long cookie = 0;
        long verifier = 0;
        while (true) {
            Listing page =
                    fs.list(Credentials.ROOT, id, cookie, verifier, 1 + random.nextInt(4), true)
                            .join();
            for (Entry e : page.entries()) {
                FileModel.check(found.put(e.name(), e) == null, e.name() + " is listed twice");
                FileModel.check(
                        e.cookie() >= FileSystem.FIRST_COOKIE && e.cookie() > cookie, "cookie");
                FileModel.check(cookies.put(e.cookie(), true) == null, "cookie twice");
                cookie = e.cookie();
            }
            verifier = page.verifier();
            if (page.end()) {
                return found;
            }
        }
    }

    private void contents(ModelFile model, FileId id) {
        long at = 0;
        while (at < model.size) {
            Long block = model.blocks.ceilingKey(at / ModelFile.BLOCK);
            long data = block == null ? model.size : Math.max(at, block * ModelFile.BLOCK);
            long found;
            try {
                found = fs.seek(Credentials.ROOT, id, at, true).join();
            } catch (RuntimeException e) {
                FileModel.check(FileException.of(e) != null, "seek: " + e);
                found = model.size;
            }
            FileModel.check(
                    found == Math.min(data, model.size),
                    "data of " + id + " from " + at + " at " + found + ", not " + data);
            if (found >= model.size) {
                break;
            }
            int length = 128 << 10;
            ByteBuffer got = fs.read(Credentials.ROOT, id, found, length).join().bytes();
            byte[] bytes = new byte[got.remaining()];
            got.get(bytes);
            FileModel.check(
                    Arrays.equals(bytes, model.read(found, length)),
                    "bytes of " + id + " at " + at);
            at = found + length & -ModelFile.BLOCK;
        }
    }

    /// Attributes.
    static void same(ModelFile model, Attributes a) {
        String what = "inode " + model.id.inode() + ": " + a;
        FileModel.check(a.type() == model.type, what);
        FileModel.check(
                a.mode() == model.mode, what + " mode " + Integer.toOctalString(model.mode));
        FileModel.check(a.uid() == model.uid && a.gid() == model.gid, what + " owner");
        FileModel.check(a.links() == model.links, what + " links " + model.links);
        if (!model.isDirectory()) {
            FileModel.check(a.size() == model.size, what + " size " + model.size);
            FileModel.check(
                    a.usedBytes() == (long) model.blocks.size() * ModelFile.BLOCK,
                    what + " blocks " + model.blocks.size());
        }
    }
}
