/*
 * What libraries preloaded into a node share: the real calls that write and sync files, found by name, and the
 * way to stand in for them in Java's own look-ups. Each library defines setup(), which begins with find_real().
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static void *(*real_dlsym)(void *, const char *);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_real(void) {
    real_dlsym = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (!real_dlsym) real_dlsym = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    real_pwrite = real_dlsym(RTLD_NEXT, "pwrite64");
    real_write = real_dlsym(RTLD_NEXT, "write");
    real_writev = real_dlsym(RTLD_NEXT, "writev");
    real_pwritev = real_dlsym(RTLD_NEXT, "pwritev64");
    real_fsync = real_dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = real_dlsym(RTLD_NEXT, "fdatasync");
}

/* Is fd a regular file? Its status and its path (of PATH_MAX bytes), if so. */
static int regular(int fd, struct stat *st, char *path) {
    char link[64];
    ssize_t n;
    if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, PATH_MAX - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return 1;
}

static int64_t total(const struct iovec *iov, int count) {
    int64_t sum = 0;
    for (int i = 0; i < count; i++) sum += iov[i].iov_len;
    return sum;
}

/* Java looks its system calls up by name in a library of its own, past what is preloaded. */
struct replacement { const char *name; void *function; };

#define LOOKED_UP(...)                                                                   \
    void *dlsym(void *handle, const char *symbol) {                                      \
        static const struct replacement ours[] = {__VA_ARGS__};                          \
        pthread_once(&once, setup);                                                      \
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)                          \
            if (handle != RTLD_NEXT && strcmp(symbol, ours[i].name) == 0) return ours[i].function; \
        return real_dlsym(handle, symbol);                                               \
    }
