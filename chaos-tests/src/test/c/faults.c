/*
 * Faults on demand: preloaded into a node's process, it does what FAULTS_DIR/NODE asks for, a file of CONTROL bytes
 * that a test maps and changes while the node runs:
 *   - fsyncs of, or writes to, files whose path contains a pattern fail with an error, or are slow, or writes are lost or go to
 *     the neighbouring block, as often as is asked for; how often it happened is counted in the same file;
 *   - connections that were accepted at a port break in place of one of so many writes to them: answers are lost;
 *   - the wall clock is ahead or behind by so many nanoseconds;
 *   - connections leave from 127.0.0.(10 + number of the node), so that what two nodes say to each other can be told
 *     from what others do, and be dropped in one direction.
 * NODE is the name n0, n1 ... of the configuration file in the process's command line. A process without one is left alone.
 *
 * gcc -shared -fPIC -o faults.so faults.c -ldl
 */
#include "preload.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define CONTROL 4096
enum { NONE, FSYNC_FAILS, WRITE_FAILS, WRITE_LOST, WRITE_MISDIRECTED, ANSWER_LOST, FSYNC_SLOW };

struct control {
    volatile int64_t clock_ns;
    volatile int32_t kind;   /* written last */
    volatile int32_t error;  /* of ANSWER_LOST: one of how many writes; of FSYNC_SLOW: milliseconds */
    volatile int32_t left;   /* how often; negative: until it is taken back */
    volatile int32_t struck; /* how often it happened */
    char pattern[256];       /* of ANSWER_LOST: the port */
};

static struct control nothing, *control = &nothing;
static int node = -1;
static int (*real_connect)(int, const struct sockaddr *, socklen_t);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_gettimeofday)(struct timeval *, void *);

static void attach_control(void) {
    char line[65536], path[PATH_MAX], *at;
    const char *dir = getenv("FAULTS_DIR");
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0) close(fd);
    if (n <= 0 || !dir) return;
    for (ssize_t i = 0; i < n; i++) if (!line[i]) line[i] = ' ';
    line[n] = 0;
    at = strstr(line, "/node.toml");
    if (!at || at - line < 3 || at[-2] != 'n' || at[-3] != '/') return;
    snprintf(path, sizeof path, "%s/n%c", dir, at[-1]);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *mapped = mmap(NULL, CONTROL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) return;
    node = at[-1] - '0';
    control = mapped;
}

static void setup(void) {
    find_real();
    real_clock_gettime = real_dlsym(RTLD_NEXT, "clock_gettime");
    real_gettimeofday = real_dlsym(RTLD_NEXT, "gettimeofday");
    real_connect = real_dlsym(RTLD_NEXT, "connect");
    attach_control();
}

/* The fault that this call on fd is to suffer, NONE if none. `sync`: it is an fsync. */
static int fault(int fd, int sync) {
    char path[PATH_MAX];
    struct stat st;
    int kind, left, found, saved = errno;
    pthread_once(&once, setup);
    kind = control->kind;
    if (kind == NONE || kind == ANSWER_LOST || (kind == FSYNC_FAILS || kind == FSYNC_SLOW) != sync) return NONE;
    found = regular(fd, &st, path);
    errno = saved;
    if (!found || !strstr(path, control->pattern)) return NONE;
    for (left = control->left; left > 0; left = control->left)
        if (__sync_bool_compare_and_swap(&control->left, left, left - 1)) break;
    if (left == 0) return NONE;
    __sync_fetch_and_add(&control->struck, 1);
    return kind;
}

/* Breaks the connection behind fd if it is its turn. */
static int answer_lost(int fd) {
    static int writes;
    struct sockaddr_in6 here;
    socklen_t size = sizeof here;
    int left, port, saved = errno;
    pthread_once(&once, setup);
    if (control->kind != ANSWER_LOST) return 0;
    if (getsockname(fd, (struct sockaddr *)&here, &size) != 0) { errno = saved; return 0; }
    port = here.sin6_family == AF_INET6 ? ntohs(here.sin6_port)
        : here.sin6_family == AF_INET ? ntohs(((struct sockaddr_in *)&here)->sin_port) : -1;
    errno = saved;
    if (port != atoi(control->pattern) || __sync_add_and_fetch(&writes, 1) % control->error) return 0;
    for (left = control->left; left > 0; left = control->left)
        if (__sync_bool_compare_and_swap(&control->left, left, left - 1)) break;
    if (left == 0) return 0;
    __sync_fetch_and_add(&control->struck, 1);
    shutdown(fd, SHUT_RDWR);
    errno = EPIPE;
    return 1;
}

static ssize_t failed(void) { errno = control->error; return -1; }

/* The other one of a pair of blocks of 4 KiB. */
static off_t neighbour(off_t offset) { return offset ^ 4096; }

#define FAULTY(call, moved, length)                 \
    switch (fault(fd, 0)) {                         \
    case WRITE_FAILS: return failed();              \
    case WRITE_LOST: return length;                 \
    case WRITE_MISDIRECTED: return moved;           \
    default: return call;                           \
    }

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    FAULTY(real_pwrite(fd, bytes, length, offset), real_pwrite(fd, bytes, length, neighbour(offset)), length)
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }
ssize_t write(int fd, const void *bytes, size_t length) {
    if (answer_lost(fd)) return -1;
    FAULTY(real_write(fd, bytes, length), length, length)
}
ssize_t writev(int fd, const struct iovec *iov, int count) {
    if (answer_lost(fd)) return -1;
    FAULTY(real_writev(fd, iov, count), total(iov, count), total(iov, count))
}
ssize_t pwritev64(int fd, const struct iovec *iov, int count, off_t offset) {
    FAULTY(real_pwritev(fd, iov, count, offset), real_pwritev(fd, iov, count, neighbour(offset)), total(iov, count))
}
ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset) { return pwritev64(fd, iov, count, offset); }
static int synced(int fd, int (*call)(int)) {
    switch (fault(fd, 1)) {
    case FSYNC_FAILS: return failed();
    case FSYNC_SLOW: usleep(control->error * 1000);
    }
    return call(fd);
}
int fsync(int fd) { pthread_once(&once, setup); return synced(fd, real_fsync); }
int fdatasync(int fd) { pthread_once(&once, setup); return synced(fd, real_fdatasync); }

int clock_gettime(clockid_t clock, struct timespec *at) {
    pthread_once(&once, setup);
    int result = real_clock_gettime(clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = at->tv_nsec + control->clock_ns % 1000000000;
        at->tv_sec += control->clock_ns / 1000000000 + (ns < 0 ? -1 : ns / 1000000000);
        at->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    }
    return result;
}
int gettimeofday(struct timeval *at, void *zone) {
    pthread_once(&once, setup);
    int result = real_gettimeofday(at, zone);
    if (result == 0) {
        int64_t us = at->tv_usec + control->clock_ns / 1000 % 1000000;
        at->tv_sec += control->clock_ns / 1000000000 + (us < 0 ? -1 : us / 1000000);
        at->tv_usec = us < 0 ? us + 1000000 : us % 1000000;
    }
    return result;
}

int connect(int fd, const struct sockaddr *to, socklen_t length) {
    pthread_once(&once, setup);
    int saved = errno;
    if (node >= 0 && to->sa_family == AF_INET) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f00000a + node)};
        bind(fd, (struct sockaddr *)&from, sizeof from); /* fails where it is bound already */
    } else if (node >= 0 && to->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)to)->sin6_addr)) {
        struct sockaddr_in6 from = {.sin6_family = AF_INET6};
        char text[INET6_ADDRSTRLEN];
        snprintf(text, sizeof text, "::ffff:127.0.0.%d", 10 + node);
        inet_pton(AF_INET6, text, &from.sin6_addr);
        bind(fd, (struct sockaddr *)&from, sizeof from);
    }
    errno = saved;
    return real_connect(fd, to, length);
}

LOOKED_UP(
    {"pwrite", pwrite64}, {"pwrite64", pwrite64}, {"pwritev", pwritev64}, {"write", write}, {"writev", writev},
    {"fsync", fsync}, {"fdatasync", fdatasync})
