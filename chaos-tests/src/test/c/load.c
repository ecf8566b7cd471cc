/* Loads on a directory whose outcome is known: whatever is read is compared with what was written.
 *
 *   load bytes DIR SEED PAUSE-MS NAME   one file: writes, reads, memory maps, truncations, holes, copies within it
 *   load tree DIR SEED PAUSE-MS NAME    what compilers and `make` do: a tree of small files, read over and over, replaced by
 *                                       renames, linked, listed, and in the end removed but for the last one
 *   load check DIR SEED                 reads the tree that `load tree` left
 *
 * The first two go on until /run/stop is there; how many rounds they have made is in /run/progress-NAME. The first error, lost
 * file or wrong byte ends them with status 1 and a line that says what it was.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOST (256 << 10)
#define PIECE (48 << 10)
#define PAGE 4096
#define HEADERS 8
#define SOURCES 12
#define CHECK_EVERY 100

static const char *name = "";
static unsigned pause_ms;
static uint64_t state;
static long rounds;

static void fail(const char *format, ...) {
    int error = errno;
    va_list args;
    va_start(args, format);
    printf("round %ld: ", rounds);
    vprintf(format, args);
    printf(" (errno %d: %s)\n", error, strerror(error));
    va_end(args);
    exit(1);
}

static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t bound) { return next_random() % bound; }

static int stopped(void) { return access("/run/stop", F_OK) == 0; }

static void breathe(void) {
    if (pause_ms) usleep(pause_ms * 1000);
}

static void progress(void) {
    char path[128], text[32];
    snprintf(path, sizeof path, "/run/progress-%s", name);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    int length = snprintf(text, sizeof text, "%ld\n", ++rounds);
    if (fd < 0 || pwrite(fd, text, length, 0) != length || close(fd)) fail("%s", path);
}

static void write_all(int fd, const uint8_t *from, size_t length, off_t at) {
    while (length) {
        ssize_t n = pwrite(fd, from, length, at);
        if (n <= 0) fail("write of %zu bytes at %ld", length, (long)at);
        from += n, at += n, length -= n;
    }
}

static void read_all(int fd, uint8_t *to, size_t length, off_t at) {
    while (length) {
        ssize_t n = pread(fd, to, length, at);
        if (n < 0) fail("read of %zu bytes at %ld", length, (long)at);
        if (n == 0) fail("the file ends at %ld, before %zu bytes more", (long)at, length);
        to += n, at += n, length -= n;
    }
}

/* ---- one file */

static uint8_t good[MOST], found[MOST];
static size_t size;
static int file;
static char file_path[256];
static int holes = 1, copies = 1;

/* The newest changes, for the message of a failure. */
static struct { const char *what; size_t at, length, size; long second; } notes[256];
static unsigned noted;

static void note(const char *what, size_t at, size_t length) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    unsigned i = noted++ % 256;
    notes[i].what = what, notes[i].at = at, notes[i].length = length, notes[i].size = size, notes[i].second = now.tv_sec;
}

static void tell(size_t byte) {
    for (unsigned i = noted > 256 ? noted - 256 : 0; i < noted; i++) {
        size_t at = notes[i % 256].at, end = at + notes[i % 256].length, was = notes[i % 256].size;
        int near = (at <= byte && byte < end) || was <= byte || !strcmp(notes[i % 256].what, "cut");
        if (near) printf("%lds: %s %zu+%zu of %zu; ", notes[i % 256].second, notes[i % 256].what, at, notes[i % 256].length, was);
    }
}

static void grow(size_t to) {
    if (to > size) size = to; /* what is between is zero: see cut */
}

static void cut(size_t to) {
    if (to < size) memset(good + to, 0, size - to);
    size = to;
}

static void compare(size_t at, size_t length, const uint8_t *seen, const char *how) {
    for (size_t i = 0; i < length; i++)
        if (seen[i] != good[at + i]) {
            note(how, at, length);
            tell(at + i);
            fail("%s: byte %zu of %s (%zu bytes) is %02x, not %02x", how, at + i, file_path, size, seen[i], good[at + i]);
        }
}

static void forget_cached(void) {
    if (fsync(file)) fail("fsync");
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static void check_size(void) {
    struct stat now;
    if (fstat(file, &now)) fail("fstat");
    if ((size_t)now.st_size != size) fail("%s has %ld bytes, not %zu", file_path, (long)now.st_size, size);
}

static void check_whole(void) {
    forget_cached();
    check_size();
    read_all(file, found, size, 0);
    compare(0, size, found, "whole file");
}

static void fill(size_t at, size_t length) {
    for (size_t i = 0; i < length; i++) good[at + i] = next_random();
}

static void map(int writes) {
    if (!writes && !size) return;
    size_t at = below(writes ? MOST : size), length = 1 + below(PIECE);
    size_t end = writes ? MOST : size;
    if (length > end - at) length = end - at;
    if (writes) note("map", at, length);
    if (writes && at + length > size) {
        if (ftruncate(file, at + length)) fail("ftruncate to %zu", at + length);
        grow(at + length);
    }
    size_t begin = at & ~(size_t)(PAGE - 1);
    uint8_t *bytes = mmap(NULL, at + length - begin, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, file, begin);
    if (bytes == MAP_FAILED) fail("mmap");
    if (writes) {
        fill(at, length);
        memcpy(bytes + (at - begin), good + at, length);
        if (msync(bytes, at + length - begin, MS_SYNC)) fail("msync");
    } else {
        compare(at, length, bytes + (at - begin), "mapped");
    }
    if (munmap(bytes, at + length - begin)) fail("munmap");
}

static void punch(void) {
    size_t at = below(MOST), length = 1 + below(PIECE);
    if (!holes || at >= size) return;
    if (length > size - at) length = size - at;
    note("punch", at, length);
    if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length)) {
        if (errno != EOPNOTSUPP) fail("hole at %zu", at);
        holes = 0; /* before NFSv4.2 */
        return;
    }
    memset(good + at, 0, length);
}

static void copy(void) {
    size_t length = 1 + below(PIECE);
    if (!copies || size < 2 * length) return;
    off_t from = below(size - length + 1), to = below(MOST - length + 1);
    if (from < to + (off_t)length && to < from + (off_t)length) return;
    off_t source = from, target = to;
    note("copy to", to, length);
    ssize_t n = copy_file_range(file, &source, file, &target, length, 0);
    if (n < 0) {
        if (errno != EOPNOTSUPP && errno != EXDEV && errno != ENOSYS) fail("copy of %zu bytes", length);
        copies = 0;
        return;
    }
    memcpy(good + to, good + from, n);
    grow(to + n);
}

static void one_operation(void) {
    size_t at, length;
    switch (below(16)) {
    case 0: case 1: case 2: case 3:
        at = below(MOST), length = 1 + below(PIECE);
        if (length > MOST - at) length = MOST - at;
        note("write", at, length);
        fill(at, length);
        write_all(file, good + at, length, at);
        grow(at + length);
        break;
    case 4: case 5: case 6: case 7:
        if (!size) break;
        at = below(size), length = 1 + below(PIECE);
        if (length > size - at) length = size - at;
        read_all(file, found, length, at);
        compare(at, length, found, "read");
        break;
    case 8:
        length = below(MOST);
        note("cut", length, 0);
        if (ftruncate(file, length)) fail("ftruncate to %zu", length);
        cut(length);
        break;
    case 9: map(0); break;
    case 10: map(1); break;
    case 11: if (fsync(file)) fail("fsync"); break;
    case 12:
        if (close(file)) fail("close");
        if ((file = open(file_path, O_RDWR)) < 0) fail("open of %s", file_path);
        check_size();
        break;
    case 13: note("forget", 0, 0); forget_cached(); break;
    case 14: punch(); break;
    case 15: copy(); break;
    }
}

static void bytes(const char *directory) {
    snprintf(file_path, sizeof file_path, "%s/bytes", directory);
    if ((file = open(file_path, O_RDWR | O_CREAT | O_EXCL, 0644)) < 0) fail("creation of %s", file_path);
    while (!stopped()) {
        for (int i = 0; i < CHECK_EVERY && !stopped(); i++) {
            one_operation();
            breathe();
        }
        check_whole();
        progress();
    }
    check_whole();
    if (close(file)) fail("close");
}

/* ---- a tree */

static char place[256];

static const char *at(const char *directory, const char *entry) {
    static char paths[4][512];
    static int turn;
    char *path = paths[turn++ & 3];
    snprintf(path, sizeof paths[0], "%s/%s/%s", place, directory, entry);
    return path;
}

static const char *numbered(const char *stem, int number, const char *suffix) {
    static char names[4][64];
    static int turn;
    char *text = names[turn++ & 3];
    snprintf(text, sizeof names[0], "%s%d%s", stem, number, suffix);
    return text;
}

/* What a file of a round holds. */
static size_t content(uint64_t seed, long round, int which, uint8_t *to) {
    uint64_t saved = state;
    state = (seed + 1) * 0x9E3779B97F4A7C15u ^ (uint64_t)round << 20 ^ (uint64_t)(which + 1);
    next_random(), next_random();
    size_t length = 100 + below(6000);
    for (size_t i = 0; i < length; i++) to[i] = next_random();
    state = saved;
    return length;
}

static void expect(const char *path, uint64_t seed, long round, int which) {
    static uint8_t want[8192], have[8192];
    size_t length = content(seed, round, which, want);
    struct stat now;
    if (stat(path, &now)) fail("stat of %s", path);
    if ((size_t)now.st_size != length) fail("%s has %ld bytes, not %zu", path, (long)now.st_size, length);
    int fd = open(path, O_RDONLY);
    if (fd < 0) fail("open of %s", path);
    read_all(fd, have, length, 0);
    if (memcmp(want, have, length)) fail("%s holds something else", path);
    if (close(fd)) fail("close of %s", path);
}

static void make_file(const char *path, uint64_t seed, long round, int which) {
    static uint8_t data[8192];
    size_t length = content(seed, round, which, data), half = length / 2;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) fail("creation of %s", path);
    write_all(fd, data, half, 0);
    write_all(fd, data + half, length - half, half);
    if (close(fd)) fail("close of %s", path);
}

static void move(const char *from, const char *to) {
    if (rename(from, to)) fail("rename of %s to %s", from, to);
}

static void expect_entries(const char *directory, int wanted) {
    DIR *list = opendir(directory);
    if (!list) fail("opendir of %s", directory);
    int entries = 0;
    errno = 0;
    while (readdir(list)) entries++;
    if (errno || closedir(list)) fail("readdir of %s", directory);
    if (entries != wanted + 2) fail("%s lists %d entries, not %d", directory, entries - 2, wanted);
}

#define ENTRIES (2 * SOURCES + 5) /* sources, objects, include, round, app and its two other names */

static void build(uint64_t seed, long round) {
    if (mkdir(at("new", ""), 0755) || mkdir(at("new", "include"), 0755)) fail("mkdir in %s", place);
    for (int h = 0; h < HEADERS; h++) make_file(at("new/include", numbered("h", h, ".h")), seed, round, h);
    for (int s = 0; s < SOURCES; s++) make_file(at("new", numbered("s", s, ".c")), seed, round, 100 + s);
    for (int s = 0; s < SOURCES; s++) {
        for (int h = 0; h < HEADERS; h++) expect(at("new/include", numbered("h", h, ".h")), seed, round, h);
        expect(at("new", numbered("s", s, ".c")), seed, round, 100 + s);
        make_file(at("new", numbered("s", s, ".tmp")), seed, round, 200 + s);
        move(at("new", numbered("s", s, ".tmp")), at("new", numbered("s", s, ".o")));
        if (access(at("new", numbered("s", s, ".tmp")), F_OK) == 0) fail("source %d is there under its old name too", s);
        breathe();
    }
    make_file(at("new", "app"), seed, round, 300);
    make_file(at("new", "app.new"), seed, round, 301);
    move(at("new", "app.new"), at("new", "app"));
    if (chmod(at("new", "app"), 0755)) fail("chmod");
    if (link(at("new", "app"), at("new", "app-1")) || symlink("app-1", at("new", "app-2"))) fail("links of app");
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", round);
    int fd = open(at("new", "round"), O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) fail("creation of round");
    write_all(fd, (uint8_t *)text, length, 0);
    if (close(fd)) fail("close of round");
}

static void check_tree(const char *tree, uint64_t seed, long round) {
    char include[64];
    snprintf(include, sizeof include, "%s/include", tree);
    expect_entries(at(tree, ""), ENTRIES);
    expect_entries(at(include, ""), HEADERS);
    for (int h = 0; h < HEADERS; h++) expect(at(include, numbered("h", h, ".h")), seed, round, h);
    for (int s = 0; s < SOURCES; s++) {
        expect(at(tree, numbered("s", s, ".c")), seed, round, 100 + s);
        expect(at(tree, numbered("s", s, ".o")), seed, round, 200 + s);
    }
    expect(at(tree, "app"), seed, round, 301);
    expect(at(tree, "app-2"), seed, round, 301);
    struct stat app;
    if (stat(at(tree, "app-1"), &app)) fail("stat of app-1");
    if (app.st_nlink != 2 || (app.st_mode & 07777) != 0755) fail("app-1: %d links, mode %o", (int)app.st_nlink, app.st_mode);
}

static void gone(const char *path) {
    if (unlink(path)) fail("unlink of %s", path);
}

static void remove_tree(const char *tree) {
    char include[64];
    snprintf(include, sizeof include, "%s/include", tree);
    for (int h = 0; h < HEADERS; h++) gone(at(include, numbered("h", h, ".h")));
    for (int s = 0; s < SOURCES; s++) {
        gone(at(tree, numbered("s", s, ".c")));
        gone(at(tree, numbered("s", s, ".o")));
    }
    gone(at(tree, "app")), gone(at(tree, "app-1")), gone(at(tree, "app-2")), gone(at(tree, "round"));
    if (rmdir(at(include, "")) || rmdir(at(tree, ""))) fail("rmdir in %s", place);
    if (access(at(tree, ""), F_OK) == 0) fail("%s/%s is still there", place, tree);
}

static void tree(uint64_t seed) {
    while (!stopped() || rounds == 0) {
        build(seed, rounds);
        check_tree("new", seed, rounds);
        if (rounds > 0) remove_tree("kept");
        move(at("new", ""), at("kept", ""));
        progress();
    }
}

static void check(uint64_t seed) {
    FILE *text = fopen(at("kept", "round"), "r");
    long round;
    if (!text || fscanf(text, "%ld", &round) != 1 || fclose(text)) fail("%s/kept/round", place);
    check_tree("kept", seed, round);
    expect_entries(place, 1);
    printf("round %ld is whole\n", round);
}

int main(int count, char **words) {
    if (count < 4) return 2;
    uint64_t seed = strtoull(words[3], NULL, 10);
    state = seed * 2654435761u + 88172645463325252u;
    snprintf(place, sizeof place, "%s", words[2]);
    if (count > 5) {
        pause_ms = atoi(words[4]);
        name = words[5];
    }
    if (!strcmp(words[1], "bytes")) bytes(words[2]);
    else if (!strcmp(words[1], "tree")) tree(seed);
    else if (!strcmp(words[1], "check")) check(seed);
    else return 2;
    return 0;
}
