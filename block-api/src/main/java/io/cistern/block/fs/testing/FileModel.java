package io.cistern.block.fs.testing;

import io.cistern.block.CisternException;
import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.ByteString;
import io.cistern.block.fs.Call;
import io.cistern.block.fs.CreateMode;
import io.cistern.block.fs.Credentials;
import io.cistern.block.fs.FileException;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Created;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.block.fs.FileSystem;
import io.cistern.block.fs.FileType;
import io.cistern.block.fs.SetAttributes;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Random operations on a file system and on plain collections, and comparisons of the two. One
/// operation is under way at a time.
public final class FileModel {
    private static final int NAMES = 8;
    private static final int MOST_FILES = 60;
    private static final List<Credentials> USERS =
            List.of(
                    Credentials.ROOT,
                    Credentials.ROOT,
                    new Credentials(1000, 100, List.of(200)),
                    new Credentials(1001, 200, List.of()));

    private final Random random;
    private final DataSteps data;
    private FileSystem fs;
    private ModelFile root;
    private final Map<ByteString, ModelFile> snapshots = new TreeMap<>();
    private final List<ModelFile> orphans = new ArrayList<>();
    private int opens;

    /// @param fs empty
    public FileModel(FileSystem fs, Random random) {
        this.fs = fs;
        this.random = random;
        root = new ModelFile(FileId.ROOT, FileType.DIRECTORY, 01777, 0, 0);
        root.parent = root;
        data = new DataSteps(this, random);
    }

    FileSystem fs() {
        return fs;
    }

    /// Goes on with another front end of the same share.
    public void use(FileSystem now) {
        fs = now;
    }

    /// The share was snapshotted under this name.
    public void snapshotted(String name) {
        snapshots.put(ByteString.utf8(name), root.copy());
    }

    public void snapshotDeleted(String name) {
        snapshots.remove(ByteString.utf8(name));
    }

    /// A model of a clone of a snapshot.
    public FileModel cloned(String snapshot, FileSystem clone) {
        FileModel model = new FileModel(clone, random);
        ModelFile from = snapshots.get(ByteString.utf8(snapshot));
        if (from == null) {
            throw new AssertionError("no snapshot " + snapshot);
        }
        model.root = from.copy();
        model.root.parent = model.root;
        return model;
    }

    // ---- operations

    /// One random operation, on both.
    public void step() {
        switch (random.nextInt(22)) {
            case 0, 1, 2 -> create();
            case 3, 4 -> mkdir();
            case 5 -> symlink();
            case 6 -> mknod();
            case 7 -> link();
            case 8, 9 -> remove(false);
            case 10 -> remove(true);
            case 11, 12 -> rename();
            case 13 -> chmod();
            case 14 -> chown();
            case 15 -> data.truncate();
            case 16, 17 -> data.write();
            case 18 -> data.punch();
            case 19 -> xattr();
            case 20 -> hold();
            default -> data.read();
        }
    }

    Credentials user() {
        return USERS.get(random.nextInt(USERS.size()));
    }

    private ByteString name() {
        return ByteString.utf8("n" + random.nextInt(NAMES));
    }

    private List<ModelFile> all() {
        Map<ModelFile, Boolean> found = new IdentityHashMap<>();
        List<ModelFile> list = new ArrayList<>();
        walk(root, found, list);
        return list;
    }

    private static void walk(ModelFile at, Map<ModelFile, Boolean> found, List<ModelFile> list) {
        if (found.put(at, true) == null) {
            list.add(at);
            at.children.values().forEach(c -> walk(c, found, list));
        }
    }

    private ModelFile directory() {
        List<ModelFile> dirs = all().stream().filter(ModelFile::isDirectory).toList();
        return dirs.get(random.nextInt(dirs.size()));
    }

    @Nullable ModelFile regular() {
        List<ModelFile> files =
                new ArrayList<>(all().stream().filter(f -> f.type == FileType.REGULAR).toList());
        orphans.stream().filter(f -> f.type == FileType.REGULAR).forEach(files::add);
        return files.isEmpty() ? null : files.get(random.nextInt(files.size()));
    }

    private ModelFile any() {
        List<ModelFile> files = all();
        return files.get(random.nextInt(files.size()));
    }

    /// Mostly a name that exists.
    private ByteString nameIn(ModelFile directory) {
        List<ByteString> names = List.copyOf(directory.children.keySet());
        return names.isEmpty() || random.nextInt(4) == 0
                ? name()
                : names.get(random.nextInt(names.size()));
    }

    private void create() {
        ModelFile dir = directory();
        ByteString name = name();
        Credentials who = user();
        int mode = random.nextInt(01000);
        CreateMode how =
                switch (random.nextInt(3)) {
                    case 0 -> CreateMode.GUARDED;
                    case 1 -> CreateMode.UNCHECKED;
                    default -> new CreateMode.Exclusive(random.nextLong());
                };
        ModelFile old = dir.children.get(name);
        boolean found =
                old != null
                        && how instanceof CreateMode.Unchecked
                        && old.type == FileType.REGULAR
                        && dir.allows(who, 1);
        boolean made = old == null && dir.allows(who, 3) && all().size() < MOST_FILES;
        if (old == null && !made && dir.allows(who, 3)) {
            return;
        }
        Created created =
                attempt(
                        "create " + name + " in " + dir.id + " by " + who.uid(),
                        found || made,
                        () ->
                                fs.create(
                                        Call.of(who),
                                        dir.id,
                                        name,
                                        how,
                                        SetAttributes.ofMode(mode)));
        if (created != null) {
            check(created.isNew() == made, "create " + name + " is new: " + created.isNew());
            if (made) {
                add(dir, name, created, mode, who);
            }
        }
    }

    private ModelFile add(
            ModelFile dir, ByteString name, Created created, int mode, Credentials who) {
        Attributes a = created.file();
        ModelFile file = new ModelFile(a.id(), a.type(), mode, who.uid(), who.gid());
        file.parent = dir;
        file.size = file.type == FileType.SYMLINK ? a.size() : 0;
        dir.children.put(name, file);
        if (file.isDirectory()) {
            dir.links++;
        }
        TreeComparison.same(file, a);
        check(
                created.directory().after().change() > created.directory().before().change(),
                "the directory's change counter grew");
        return file;
    }

    private void mkdir() {
        ModelFile dir = directory();
        ByteString name = name();
        Credentials who = user();
        int mode = random.nextInt(4) == 0 ? random.nextInt(01000) : 0777;
        if (all().size() >= MOST_FILES) {
            return;
        }
        Created created =
                attempt(
                        "mkdir " + name + " in " + dir.id,
                        !dir.children.containsKey(name) && dir.allows(who, 3),
                        () -> fs.mkdir(Call.of(who), dir.id, name, SetAttributes.ofMode(mode)));
        if (created != null) {
            add(dir, name, created, mode, who);
        }
    }

    private void symlink() {
        ModelFile dir = directory();
        ByteString name = name();
        ByteString target = ByteString.utf8("to/" + random.nextInt(1000));
        Credentials who = user();
        Created created =
                attempt(
                        "symlink " + name,
                        !dir.children.containsKey(name) && dir.allows(who, 3),
                        () ->
                                fs.symlink(
                                        Call.of(who),
                                        dir.id,
                                        name,
                                        target,
                                        SetAttributes.ofMode(0777)));
        if (created != null) {
            ModelFile made = add(dir, name, created, 0777, who);
            made.target = target;
            made.size = target.length();
        }
    }

    private void mknod() {
        ModelFile dir = directory();
        ByteString name = name();
        Credentials who = user();
        Created created =
                attempt(
                        "mknod " + name,
                        !dir.children.containsKey(name) && dir.allows(who, 3),
                        () ->
                                fs.mknod(
                                        Call.of(who),
                                        dir.id,
                                        name,
                                        FileType.FIFO,
                                        0,
                                        0,
                                        SetAttributes.ofMode(0600)));
        if (created != null) {
            add(dir, name, created, 0600, who);
        }
    }

    private void link() {
        ModelFile file = any();
        ModelFile dir = directory();
        ByteString name = name();
        Credentials who = user();
        Object done =
                attempt(
                        "link " + file.id + " as " + name,
                        !file.isDirectory()
                                && !dir.children.containsKey(name)
                                && dir.allows(who, 3),
                        () -> fs.link(Call.of(who), file.id, dir.id, name));
        if (done != null) {
            dir.children.put(name, file);
            file.links++;
        }
    }

    private boolean mayRemove(ModelFile dir, ModelFile victim, Credentials who) {
        boolean sticky = (dir.mode & 01000) != 0;
        return dir.allows(who, 3) && (!sticky || dir.ownedBy(who) || victim.ownedBy(who));
    }

    private void remove(boolean directory) {
        ModelFile dir = directory();
        ByteString name = nameIn(dir);
        Credentials who = user();
        ModelFile victim = dir.children.get(name);
        boolean allowed =
                victim != null
                        && victim.isDirectory() == directory
                        && victim.children.isEmpty()
                        && mayRemove(dir, victim, who);
        Object done =
                attempt(
                        "remove " + name + " of " + dir.id + " by " + who.uid(),
                        allowed,
                        () ->
                                directory
                                        ? fs.rmdir(Call.of(who), dir.id, name)
                                        : fs.remove(Call.of(who), dir.id, name));
        if (done != null && victim != null) {
            dir.children.remove(name);
            unlinked(dir, victim);
        }
    }

    private void unlinked(ModelFile dir, ModelFile victim) {
        if (victim.isDirectory()) {
            dir.links--;
            victim.links = 0;
        } else {
            victim.links--;
        }
        if (victim.links == 0 && victim.held) {
            orphans.add(victim);
        }
    }

    private static boolean below(ModelFile at, ModelFile file) {
        for (ModelFile f = at; ; f = Objects.requireNonNull(f.parent)) {
            if (f == file) {
                return true;
            }
            if (f.parent == f) {
                return false;
            }
        }
    }

    private void rename() {
        ModelFile from = directory();
        ModelFile to = random.nextBoolean() ? from : directory();
        ByteString name = nameIn(from);
        ByteString newName = nameIn(to);
        Credentials who = user();
        ModelFile file = from.children.get(name);
        ModelFile over = to.children.get(newName);
        boolean nothing = file != null && file == over;
        boolean search = from.allows(who, 1) && to.allows(who, 1);
        boolean fits =
                file != null
                        && (over == null
                                || (file.isDirectory() == over.isDirectory()
                                        && over.children.isEmpty()))
                        && !(file.isDirectory() && below(to, file));
        boolean allowed =
                file != null
                        && mayRemove(from, file, who)
                        && (over == null ? to.allows(who, 2) : mayRemove(to, over, who))
                        && (!file.isDirectory() || from == to || file.allows(who, 2));
        Object done =
                attempt(
                        "rename " + name + " of " + from.id + " to " + newName + " of " + to.id,
                        search && (nothing || (fits && allowed)),
                        () -> fs.rename(Call.of(who), from.id, name, to.id, newName));
        if (done == null || nothing || file == null) {
            return;
        }
        if (over != null) {
            to.children.remove(newName);
            unlinked(to, over);
        }
        from.children.remove(name);
        to.children.put(newName, file);
        if (file.isDirectory() && from != to) {
            from.links--;
            to.links++;
            file.parent = to;
        }
    }

    private void chmod() {
        ModelFile file = any();
        Credentials who = user();
        int mode = file == root ? 01777 : random.nextInt(010000);
        Object done =
                attempt(
                        "chmod " + file.id,
                        file.ownedBy(who),
                        () ->
                                fs.setAttributes(
                                        Call.of(who), file.id, SetAttributes.ofMode(mode), null));
        if (done != null) {
            boolean keeps = who.uid() == 0 || who.inGroup(file.gid);
            file.mode = keeps ? mode : mode & ~02000;
            // What it means for the group of new files is left to tests of its own.
            if (file.isDirectory() && (file.mode & 02000) != 0) {
                int plain = file.mode & ~02000;
                fs.setAttributes(
                                Call.of(Credentials.ROOT),
                                file.id,
                                SetAttributes.ofMode(plain),
                                null)
                        .join();
                file.mode = plain;
            }
        }
    }

    private void chown() {
        ModelFile file = any();
        if (file == root) {
            return;
        }
        Credentials to = user();
        Object done =
                attempt(
                        "chown " + file.id,
                        true,
                        () ->
                                fs.setAttributes(
                                        Call.of(Credentials.ROOT),
                                        file.id,
                                        SetAttributes.NONE.withOwner(to.uid(), to.gid()),
                                        null));
        if (done != null) {
            file.uid = to.uid();
            file.gid = to.gid();
            if (!file.isDirectory()) {
                file.mode &= ~04000;
                if ((file.mode & 010) != 0) {
                    file.mode &= ~02000;
                }
            }
        }
    }

    private void xattr() {
        ModelFile file = any();
        Credentials who = user();
        ByteString name = ByteString.utf8("x" + random.nextInt(3));
        boolean set = random.nextInt(3) != 0;
        ByteString value = ByteString.utf8("v".repeat(random.nextInt(100)) + random.nextInt());
        Object done =
                attempt(
                        "xattr of " + file.id,
                        file.mayWriteData(who) && (set || file.xattrs.containsKey(name)),
                        () ->
                                set
                                        ? fs.setXattr(Call.of(who), file.id, name, value, null)
                                        : fs.removeXattr(Call.of(who), file.id, name));
        if (done != null) {
            if (set) {
                file.xattrs.put(name, value);
            } else {
                file.xattrs.remove(name);
            }
        }
    }

    private void hold() {
        if (!orphans.isEmpty() && random.nextBoolean()) {
            forget();
            return;
        }
        ModelFile file = regular();
        if (file != null) {
            Call.Hold hold = new Call.Hold(file.id, 7, ++opens, true);
            fs.change(Call.of(Credentials.ROOT).withHolds(List.of(hold))).join();
            file.held = true;
        }
    }

    /// Ends all holds.
    public void forget() {
        fs.forgetClient(Call.of(Credentials.ROOT), 7).join();
        all().forEach(f -> f.held = false);
        for (ModelFile orphan : orphans) {
            attempt("attributes of an ended file", false, () -> fs.attributes(orphan.id));
        }
        orphans.clear();
    }

    /// Does it, and checks that it succeeds or is refused as foreseen.
    static <T> @Nullable T attempt(
            String what, boolean succeeds, Supplier<CompletableFuture<T>> task) {
        try {
            T result = task.get().join();
            check(succeeds, what + " should have been refused");
            return result;
        } catch (RuntimeException e) {
            FileException refusal = FileException.of(e);
            if (refusal == null) {
                throw new AssertionError(what + ": " + CisternException.of(e), e);
            }
            if (succeeds) {
                throw new AssertionError(what + ": " + refusal.error() + refusal.getMessage(), e);
            }
            return null;
        }
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    // ---- comparisons

    /// Compares everything.
    public void compare() {
        TreeComparison comparison = new TreeComparison(fs, random);
        comparison.compare(root, FileId.ROOT);
        for (ModelFile f : orphans) {
            TreeComparison.same(f, fs.attributes(f.id).join());
        }
        Space space = fs.space().join();
        check(
                space.files() == all().size() + orphans.size(),
                space.files() + " files, not " + (all().size() + orphans.size()));
        snapshots.forEach((name, copy) -> {
            FileId seen = fs.lookup(Credentials.ROOT, FileId.SNAPSHOTS, name).join().file().id();
            comparison.compare(copy, seen);
        });
    }
}
