package io.cistern.nas.v4;

import static io.cistern.nas.share.Futures.await;

import io.cistern.block.fs.Attributes;
import io.cistern.block.fs.FileId;
import io.cistern.block.fs.FileResults.Space;
import io.cistern.nas.share.Access;
import io.cistern.nas.share.FileHandle;
import org.jspecify.annotations.Nullable;

/// What the attributes of one object are made from. One thread.
final class AttributeSource {
    private final Compound compound;
    private final @Nullable Access access;
    private final Attributes attributes;
    private final boolean shareRoot;
    private @Nullable Space space;

    private AttributeSource(Compound compound, @Nullable Access access, Attributes attributes) {
        this.compound = compound;
        this.access = access;
        this.attributes = attributes;
        this.shareRoot = access != null && attributes.id().equals(FileId.ROOT);
    }

    static AttributeSource of(Compound c, Access near, Attributes attributes) {
        return new AttributeSource(c, near, attributes);
    }

    /// The current file.
    static AttributeSource current(Compound c) {
        if (c.atRoot()) {
            return root(c);
        }
        Access a = c.access();
        return new AttributeSource(c, a, await(a.files().attributes(a.file())));
    }

    static AttributeSource root(Compound c) {
        return new AttributeSource(c, null, RootDirectory.attributes(c));
    }

    Attributes attributes() {
        return attributes;
    }

    long fsidMajor() {
        Access a = access;
        return a == null ? 0 : a.share().entry().id();
    }

    long fsidMinor() {
        return attributes.id().snapshot();
    }

    /// What the directory above shows: of a share's root, a number that no other share has.
    long mountedOn() {
        return shareRoot ? fsidMajor() : attributes.id().inode();
    }

    byte[] handle() {
        Access a = access;
        return a == null
                ? compound.encode(FileHandle.PSEUDO_ROOT)
                : compound.encode(a, attributes.id());
    }

    boolean isRoot() {
        return access == null;
    }

    int leaseSeconds() {
        return compound.state().limits().leaseSeconds();
    }

    int minorVersion() {
        return compound.minorVersion();
    }

    Space space() {
        Space known = space;
        if (known == null) {
            Access a = access;
            known = a == null ? new Space(0, 0, 0, 0) : await(a.files().space());
            space = known;
        }
        return known;
    }
}
