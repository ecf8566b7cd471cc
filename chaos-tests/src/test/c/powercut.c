/*
 * A disk cache that forgets: preloaded into a node's process, it notes what every write to a file whose path begins
 * with POWERCUT_PREFIX replaces, and drops the notes of a file when that file is fsynced. After the process was killed, `powercut` (this
 * same file, built as a program) takes back a random choice of the writes that were never fsynced, newest first, as
 * a power cut would lose them: each one wholly, or from some sector on, or not at all.
 *
 * Notes are in POWERCUT_NOTES, one file per file, named by device and inode:
 *     path length, path | { magic, kind, offset, length, old file size, old bytes } ...
 * A sync of a file under `raft` waits POWERCUT_SLOW_MS first, so that what was acknowledged before it is most likely lost.
 *
 * With POWERCUT_NAMES=1 names of and below a directory `disk` are lost too: what was created, renamed or deleted in a directory since
 * that was fsynced, some of it from the newest on. POSIX promises no more; file systems in use also keep the name of a file that
 * was fsynced itself, and change directories one after the other. In `names-DEVICE-INODE`, a directory's, one for each change:
 *     { kind, number of the file that was replaced or deleted, a second name of which is `saved-NUMBER` } path path
 *
 * gcc -shared -fPIC -o powercut.so powercut.c -ldl          gcc -DUNDO -o powercut powercut.c
 */
#include "preload.h"
#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>

#define MAGIC 0x43555421u
#define SECTOR 512

enum { MADE, MADE_DIRECTORY, RENAMED, DELETED, DELETED_DIRECTORY };

/* A change of a directory. */
struct change {
    int32_t kind;
    int32_t saved;      /* what had the name before; -1: nothing */
    char from[PATH_MAX]; /* of RENAMED */
    char path[PATH_MAX];
};

struct note {
    uint32_t magic;
    uint32_t reserved;
    int64_t offset;   /* where the write begins */
    int64_t length;   /* bytes it writes; 0 where it only changes the length */
    int64_t old_size; /* the file's length before */
    int64_t kept;     /* old bytes that follow */
};

static void die(const char *what, const char *path) {
    fprintf(stderr, "powercut: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

#ifndef UNDO

#define FILES 4096
#define LOCKS 64

static int (*real_ftruncate)(int, off_t);
static int (*real_fallocate)(int, off_t, off_t);
static pthread_mutex_t locks[LOCKS];
static char prefix[PATH_MAX], notes[PATH_MAX - 64];
static int slow_ms;
static int names;
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static int (*real_open)(const char *, int, ...);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_mkdir)(const char *, mode_t);
static int (*real_rmdir)(const char *);
static int (*real_link)(const char *, const char *);

static void setup(void) {
    const char *from = getenv("POWERCUT_PREFIX"), *to = getenv("POWERCUT_NOTES"), *slow = getenv("POWERCUT_SLOW_MS");
    find_real();
    real_ftruncate = real_dlsym(RTLD_NEXT, "ftruncate64");
    real_fallocate = real_dlsym(RTLD_NEXT, "posix_fallocate64");
    for (int i = 0; i < LOCKS; i++) pthread_mutex_init(&locks[i], NULL);
    if (from) snprintf(prefix, sizeof prefix, "%s", from);
    if (to) snprintf(notes, sizeof notes, "%s", to);
    if (slow) slow_ms = atoi(slow);
    names = getenv("POWERCUT_NAMES") && atoi(getenv("POWERCUT_NAMES"));
    real_open = real_dlsym(RTLD_NEXT, "open64");
    real_rename = real_dlsym(RTLD_NEXT, "rename");
    real_unlink = real_dlsym(RTLD_NEXT, "unlink");
    real_mkdir = real_dlsym(RTLD_NEXT, "mkdir");
    real_rmdir = real_dlsym(RTLD_NEXT, "rmdir");
    real_link = real_dlsym(RTLD_NEXT, "link");
}

/* Is fd a regular file with that prefix? Its lock, its status and the name of its notes, if so. */
static pthread_mutex_t *watched(int fd, struct stat *st, char *name, char *path) {
    pthread_once(&once, setup);
    if (!prefix[0] || !regular(fd, st, path) || st->st_nlink == 0) return NULL;
    if (strncmp(path, prefix, strlen(prefix)) != 0) return NULL;
    snprintf(name, PATH_MAX, "%s/%llx-%llx", notes, (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
    return &locks[st->st_ino % LOCKS];
}

static void all_written(int fd, const void *bytes, size_t length, const char *name) {
    for (size_t done = 0; done < length;) {
        ssize_t n = real_write(fd, (const char *)bytes + done, length - done);
        if (n <= 0) die("cannot write", name);
        done += n;
    }
}

/* Writes down what the range holds, before it changes. The caller has the file's lock. */
static void keep(const struct stat *st, const char *name, const char *path, int64_t offset, int64_t length) {
    int to = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), from;
    int64_t end = offset + length, kept = 0;
    struct note note = {MAGIC, 0, offset, length, st->st_size, 0};
    char *record;
    if (to < 0) die("cannot open", name);
    /* Notes of a deleted file whose inode this one got are void. */
    from = open(name, O_RDONLY | O_CLOEXEC);
    if (from >= 0) {
        char noted[PATH_MAX];
        if (pread(from, noted, sizeof noted, sizeof(uint32_t)) > 0 && strncmp(noted, path, sizeof noted) != 0 &&
            real_ftruncate(to, 0) != 0)
            die("cannot cut", name);
        close(from);
    }
    if (lseek(to, 0, SEEK_END) == 0) {
        uint32_t size = strlen(path) + 1;
        all_written(to, &size, sizeof size, name);
        all_written(to, path, size, name);
    }
    if (end > st->st_size) end = st->st_size;
    if (offset < end) kept = end - offset;
    record = malloc(sizeof note + kept);
    if (!record) die("no memory for", name);
    if (kept > 0) {
        from = open(path, O_RDONLY | O_CLOEXEC);
        if (from < 0) die("cannot read", path);
        for (int64_t done = 0; done < kept;) {
            ssize_t n = pread(from, record + sizeof note + done, kept - done, offset + done);
            if (n <= 0) die("cannot read", path);
            done += n;
        }
        close(from);
    }
    note.kept = kept;
    memcpy(record, &note, sizeof note);
    all_written(to, record, sizeof note + kept, name);
    free(record);
    close(to);
}

#define WATCH(fd)                                   \
    struct stat st;                                 \
    char name[PATH_MAX], path[PATH_MAX];            \
    pthread_mutex_t *lock = watched(fd, &st, name, path)

#define LOCKED(call, offset, length)                \
    do {                                            \
        pthread_mutex_lock(lock);                   \
        if (fstat(fd, &st) != 0) die("stat", path); \
        keep(&st, name, path, offset, length);      \
        result = call;                              \
        int saved = errno;                          \
        pthread_mutex_unlock(lock);                 \
        errno = saved;                              \
    } while (0)

static int64_t position(int fd, const struct stat *st) {
    return fcntl(fd, F_GETFL) & O_APPEND ? st->st_size : lseek(fd, 0, SEEK_CUR);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    ssize_t result;
    WATCH(fd);
    if (!lock) return real_pwrite(fd, bytes, length, offset);
    LOCKED(real_pwrite(fd, bytes, length, offset), offset, length);
    return result;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

ssize_t write(int fd, const void *bytes, size_t length) {
    ssize_t result;
    WATCH(fd);
    if (!lock) return real_write(fd, bytes, length);
    LOCKED(real_write(fd, bytes, length), position(fd, &st), length);
    return result;
}

ssize_t writev(int fd, const struct iovec *iov, int count) {
    ssize_t result;
    WATCH(fd);
    if (!lock) return real_writev(fd, iov, count);
    LOCKED(real_writev(fd, iov, count), position(fd, &st), total(iov, count));
    return result;
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t offset) {
    ssize_t result;
    WATCH(fd);
    if (!lock) return real_pwritev(fd, iov, count, offset);
    LOCKED(real_pwritev(fd, iov, count, offset), offset, total(iov, count));
    return result;
}
ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset) { return pwritev64(fd, iov, count, offset); }

int ftruncate64(int fd, off_t size) {
    int result;
    WATCH(fd);
    if (!lock) return real_ftruncate(fd, size);
    LOCKED(real_ftruncate(fd, size), size, size < st.st_size ? st.st_size - size : 0);
    return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int posix_fallocate64(int fd, off_t offset, off_t length) {
    int result;
    WATCH(fd);
    if (!lock) return real_fallocate(fd, offset, length);
    LOCKED(real_fallocate(fd, offset, length), st.st_size, 0);
    return result;
}
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

static int synced(int fd, int (*call)(int)) {
    int result, saved;
    WATCH(fd);
    if (!lock) return call(fd);
    if (slow_ms > 0 && strstr(path, "/raft/")) usleep(slow_ms * 1000);
    pthread_mutex_lock(lock);
    result = call(fd);
    saved = errno;
    if (result == 0 && unlink(name) != 0 && errno != ENOENT) die("cannot remove", name);
    pthread_mutex_unlock(lock);
    errno = saved;
    return result;
}

/* ---- names */

/* The path with its directory resolved; false where it is not of interest. */
static int named(const char *path, char *full) {
    char parent[PATH_MAX], resolved[PATH_MAX];
    const char *slash = strrchr(path, '/');
    pthread_once(&once, setup);
    if (!names || !prefix[0] || strlen(path) >= sizeof parent) return 0;
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (!realpath(parent[0] ? parent : "/", resolved)) return 0;
    if (snprintf(full, PATH_MAX, "%s/%s", resolved, slash ? slash + 1 : path) >= PATH_MAX) return 0;
    return strncmp(full, prefix, strlen(prefix)) == 0 && strstr(full + strlen(prefix), "/disk") != NULL;
}

static void names_of(const char *directory, char *name) {
    struct stat st;
    if (stat(directory, &st) != 0) die("stat", directory);
    snprintf(name, PATH_MAX, "%s/names-%llx-%llx", notes, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
}

/* Keeps what a name stands for; -1 where that is nothing. The caller has the lock. */
static int save(const char *path) {
    static int saved;
    char to[PATH_MAX];
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) return -1;
    do snprintf(to, sizeof to, "%s/saved-%d-%d", notes, getpid(), ++saved);
    while (real_link(path, to) != 0 && errno == EEXIST);
    return saved;
}

static void changed(int kind, int saved, const char *from, const char *path) {
    struct change change = {kind, saved, "", ""};
    char directory[PATH_MAX], name[PATH_MAX];
    int to;
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
    names_of(directory, name);
    if (from) snprintf(change.from, sizeof change.from, "%s", from);
    snprintf(change.path, sizeof change.path, "%s", path);
    if (saved >= 0) change.saved = saved;
    to = real_open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (to < 0) die("cannot open", name);
    /* The process is in the name of what it saved. */
    change.kind |= getpid() << 8;
    all_written(to, &change, sizeof change, name);
    close(to);
}

/* Runs `call`; where it succeeds the change is written down. All in one step. */
#define NAMED(call, kind, from, path, saves)                        \
    do {                                                            \
        pthread_mutex_lock(&names_lock);                            \
        int kept = saves ? save(path) : -1;                         \
        result = call;                                              \
        int error = errno;                                          \
        if (result >= 0) changed(kind, kept, from, path);           \
        pthread_mutex_unlock(&names_lock);                          \
        errno = error;                                              \
    } while (0)

static int opened(const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    int result, is_new;
    if (!(flags & O_CREAT) || !named(path, full)) {
        pthread_once(&once, setup);
        return real_open(path, flags, mode);
    }
    pthread_mutex_lock(&names_lock);
    is_new = access(full, F_OK) != 0;
    result = real_open(path, flags, mode);
    int error = errno;
    if (is_new && result >= 0) changed(MADE, -1, NULL, full);
    pthread_mutex_unlock(&names_lock);
    errno = error;
    return result;
}

#define MODE(flags, mode)                       \
    mode_t mode = 0;                            \
    if ((flags) & (O_CREAT | O_TMPFILE)) {      \
        va_list arguments;                      \
        va_start(arguments, flags);             \
        mode = va_arg(arguments, mode_t);       \
        va_end(arguments);                      \
    }

int open64(const char *path, int flags, ...) { MODE(flags, mode) return opened(path, flags, mode); }
int open(const char *path, int flags, ...) { MODE(flags, mode) return opened(path, flags, mode); }

int rename(const char *from, const char *to) {
    char full_from[PATH_MAX], full_to[PATH_MAX];
    int result;
    if (!named(to, full_to) || !named(from, full_from)) return real_rename(from, to);
    NAMED(real_rename(from, to), RENAMED, full_from, full_to, 1);
    return result;
}
int unlink(const char *path) {
    char full[PATH_MAX];
    int result;
    if (!named(path, full)) return real_unlink(path);
    NAMED(real_unlink(path), DELETED, NULL, full, 1);
    return result;
}
int mkdir(const char *path, mode_t mode) {
    char full[PATH_MAX];
    int result;
    if (!named(path, full)) return real_mkdir(path, mode);
    NAMED(real_mkdir(path, mode), MADE_DIRECTORY, NULL, full, 0);
    return result;
}
int rmdir(const char *path) {
    char full[PATH_MAX];
    int result;
    if (!named(path, full)) return real_rmdir(path);
    NAMED(real_rmdir(path), DELETED_DIRECTORY, NULL, full, 0);
    return result;
}
int link(const char *from, const char *to) {
    char full[PATH_MAX];
    int result;
    if (!named(to, full)) return real_link(from, to);
    NAMED(real_link(from, to), MADE, NULL, full, 0);
    return result;
}

/* An fsync of a directory: 0 where fd is none of ours. */
static int names_synced(int fd, int (*call)(int), int *result) {
    char link[64], path[PATH_MAX], name[PATH_MAX];
    struct stat st;
    ssize_t n;
    struct change change;
    pthread_once(&once, setup);
    if (!names || !prefix[0] || fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    if (strncmp(path, prefix, strlen(prefix)) != 0) return 0;
    names_of(path, name);
    pthread_mutex_lock(&names_lock);
    *result = call(fd);
    int error = errno, from = *result == 0 ? real_open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (from >= 0) {
        while (read(from, &change, sizeof change) == sizeof change) {
            char saved[PATH_MAX];
            snprintf(saved, sizeof saved, "%s/saved-%d-%d", notes, change.kind >> 8, change.saved);
            if (change.saved >= 0) real_unlink(saved);
        }
        close(from);
        if (real_unlink(name) != 0) die("cannot remove", name);
    }
    pthread_mutex_unlock(&names_lock);
    errno = error;
    return 1;
}

int fsync(int fd) {
    int result;
    pthread_once(&once, setup);
    return names_synced(fd, real_fsync, &result) ? result : synced(fd, real_fsync);
}
int fdatasync(int fd) { pthread_once(&once, setup); return synced(fd, real_fdatasync); }

LOOKED_UP(
    {"pwrite", pwrite64}, {"pwrite64", pwrite64}, {"pwritev", pwritev64}, {"write", write}, {"writev", writev},
    {"ftruncate", ftruncate64}, {"posix_fallocate", posix_fallocate64}, {"fsync", fsync}, {"fdatasync", fdatasync},
    {"open", open64}, {"open64", open64}, {"rename", rename}, {"unlink", unlink}, {"mkdir", mkdir}, {"rmdir", rmdir}, {"link", link})

#else

struct place { long at; struct note note; };

/* Takes back what the notes of one file say. Returns how many writes were taken back, at least in part. */
static int undo(const char *name, const char *prefix, int *others) {
    FILE *in = fopen(name, "rb");
    uint32_t size;
    char path[PATH_MAX];
    struct place *places = NULL;
    int count = 0, undone = 0, fd;
    if (!in && errno == ENOENT) { *others = 1; return 0; } /* a node that runs has synced the file */
    if (!in) die("cannot open", name);
    if (fread(&size, sizeof size, 1, in) != 1 || size > sizeof path || fread(path, size, 1, in) != 1) { fclose(in); return 0; }
    if (strncmp(path, prefix, strlen(prefix)) != 0) { *others = 1; fclose(in); return 0; }
    fd = open(path, O_RDWR);
    if (fd < 0) { fclose(in); return 0; } /* it was deleted or replaced since */
    for (;;) {
        struct note note;
        struct stat st;
        long at;
        if (fread(&note, sizeof note, 1, in) != 1 || note.magic != MAGIC) break;
        at = ftell(in);
        if (fseek(in, 0, SEEK_END) != 0 || ftell(in) < at + note.kept) break; /* killed while it was noted */
        if (fseek(in, at + note.kept, SEEK_SET) != 0 || fstat(fd, &st) != 0) break;
        places = realloc(places, (count + 1) * sizeof *places);
        if (!places) die("no memory for", name);
        places[count++] = (struct place){at, note};
    }
    /* Lengths shrink only as far as every later write is gone too. */
    int all_later_gone = 1;
    for (int i = count - 1; i >= 0; i--) {
        struct note *note = &places[i].note;
        int choice = random() % 4; /* 0: it reached the disk; 1: its first sectors did; else: lost */
        int64_t from = 0;
        char *bytes;
        if (choice == 0) { all_later_gone = 0; continue; }
        if (choice == 1 && note->length > SECTOR) from = random() % (note->length / SECTOR) * SECTOR;
        undone++;
        if (from < note->kept) {
            bytes = malloc(note->kept);
            if (!bytes || fseek(in, places[i].at, SEEK_SET) != 0 || fread(bytes, note->kept, 1, in) != 1) die("cannot read", name);
            if (pwrite(fd, bytes + from, note->kept - from, note->offset + from) != note->kept - from) die("cannot write", path);
            free(bytes);
        }
        if (note->offset + note->length > note->old_size) { /* it made the file longer */
            int64_t keep_to = note->offset + from > note->old_size ? note->offset + from : note->old_size;
            if (all_later_gone) {
                if (ftruncate(fd, keep_to) != 0) die("cannot cut", path);
            } else { /* the length got there before the contents: zeros */
                int64_t end = note->offset + note->length;
                bytes = calloc(1, end - keep_to);
                if (!bytes || pwrite(fd, bytes, end - keep_to, keep_to) != end - keep_to) die("cannot write", path);
                free(bytes);
            }
        }
        if (from > 0) all_later_gone = 0;
    }
    if (undone) printf("%s: %d of %d writes lost\n", path, undone, count);
    fsync(fd);
    close(fd);
    fclose(in);
    free(places);
    return undone;
}

static int forget(const char *path, const struct stat *st, int flag, struct FTW *walk) {
    (void)st, (void)flag, (void)walk;
    return remove(path);
}

/* Takes back some of the changes of one directory, from the newest on. Returns how many. */
static int undo_names(const char *notes, const char *name, const char *prefix, int *others) {
    FILE *in = fopen(name, "rb");
    struct change change;
    int count = 0, keep, undone = 0;
    if (!in && errno == ENOENT) { *others = 1; return 0; } /* a node that runs has synced the directory */
    if (!in) die("cannot open", name);
    while (fread(&change, sizeof change, 1, in) == 1) {
        if (strncmp(change.path, prefix, strlen(prefix)) != 0) *others = 1;
        count++;
    }
    keep = random() % 3 == 0 ? count : random() % (count + 1);
    for (int i = count - 1; i >= 0 && !*others; i--) {
        char saved[PATH_MAX];
        if (fseek(in, i * (long)sizeof change, SEEK_SET) != 0 || fread(&change, sizeof change, 1, in) != 1) die("cannot read", name);
        snprintf(saved, sizeof saved, "%s/saved-%d-%d", notes, change.kind >> 8, change.saved);
        if (i >= keep) {
            int failed = 0;
            switch (change.kind & 0xff) {
            case MADE: failed = unlink(change.path); break;
            case MADE_DIRECTORY: nftw(change.path, forget, 16, FTW_DEPTH | FTW_PHYS); break;
            case RENAMED: failed = rename(change.path, change.from); break;
            case DELETED_DIRECTORY: failed = mkdir(change.path, 0755); break;
            }
            if (change.saved >= 0 && link(saved, change.path) != 0) failed = 1;
            if (!failed) {
                undone++;
                printf("%s: %s taken back\n", change.path, (const char *[]){"made", "made", "renamed", "deleted", "deleted"}[change.kind & 0xff]);
            }
        }
        if (change.saved >= 0) unlink(saved);
    }
    fclose(in);
    return undone;
}

int main(int argc, char **argv) {
    DIR *dir;
    struct dirent *entry;
    int lost = 0, renamed = 0;
    if (argc != 4) { fprintf(stderr, "usage: powercut NOTES SEED PREFIX\n"); return 2; }
    srandom(strtoul(argv[2], NULL, 10));
    dir = opendir(argv[1]);
    if (!dir) die("cannot open", argv[1]);
    while ((entry = readdir(dir))) {
        char name[PATH_MAX];
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, "names-", 6) == 0 || strncmp(entry->d_name, "saved-", 6) == 0) continue;
        snprintf(name, sizeof name, "%s/%s", argv[1], entry->d_name);
        int others = 0;
        lost += undo(name, argv[3], &others);
        if (!others && unlink(name) != 0) die("cannot remove", name);
    }
    rewinddir(dir);
    while ((entry = readdir(dir))) {
        char name[PATH_MAX];
        if (strncmp(entry->d_name, "names-", 6) != 0) continue;
        snprintf(name, sizeof name, "%s/%s", argv[1], entry->d_name);
        int others = 0;
        renamed += undo_names(argv[1], name, argv[3], &others);
        if (!others && unlink(name) != 0) die("cannot remove", name);
    }
    closedir(dir);
    printf("names %d, lost %d\n", renamed, lost);
    return 0;
}

#endif
