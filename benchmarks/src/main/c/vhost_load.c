// A front end of vhost-user that plays QEMU and a guest with one ring: the load of benchmarks/vhost.sh where a compiler of C is there.
// Written from QEMU's docs/interop/vhost-user.rst and VIRTIO 1.2 (2.7, 5.2) alone, so that it also judges the back end's reading of them.
//
//   vhost_load SOCKET randread|randwrite BLOCK_BYTES DEPTH SECONDS DEVICE_BYTES
//
// Prints one line: requests/s, p50 and p99 in microseconds, requests. Sleeps on the ring's eventfd while nothing is answered; never
// looks in vain. Any failed request or message out of place ends it with status 1.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { RING = 64, TABLE = 3 };
enum { GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9, SET_VRING_BASE = 10,
       SET_VRING_KICK = 12, SET_VRING_CALL = 13, GET_PROTOCOL_FEATURES = 15, SET_PROTOCOL_FEATURES = 16, SET_VRING_ENABLE = 18,
       GET_INFLIGHT_FD = 31, SET_INFLIGHT_FD = 32 };
#define FEATURES (1ull << 32 | 1ull << 30 | 1ull << 29 | 1ull << 28 | 1ull << 9) // VERSION_1, protocol features, EVENT_IDX, INDIRECT_DESC, FLUSH
#define PROTOCOL_FEATURES (1ull << 12 | 1ull << 3)                               // INFLIGHT_SHMFD, REPLY_ACK
#define USER_BASE 0x7f0000000000ull

struct descriptor { uint64_t address; uint32_t length; uint16_t flags, next; };
struct available { uint16_t flags, index, head[RING], used_event; };
struct used { uint16_t flags, index; struct { uint32_t head, length; } element[RING]; uint16_t available_event; };
struct slot { uint32_t type, reserved; uint64_t sector; uint8_t status[16]; struct descriptor table[TABLE]; };
struct guest {
    struct descriptor descriptors[RING];
    _Alignas(4096) struct available available;
    _Alignas(4096) struct used used;
    _Alignas(4096) struct slot slots[RING];
    _Alignas(4096) uint8_t data[];
};
struct message { uint32_t request, flags, size; uint8_t payload[268]; } __attribute__((packed));

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (%s)\n", strerror(errno));
    exit(1);
}

static void send_message(int fd, uint32_t request, const void *payload, uint32_t size, int passed) {
    struct message m = {.request = request, .flags = 1, .size = size};
    memcpy(m.payload, payload, size);
    struct iovec part = {&m, 12 + size};
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed >= 0) {
        header.msg_control = &control;
        header.msg_controllen = sizeof control.bytes;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &passed, sizeof passed);
    }
    if (sendmsg(fd, &header, MSG_NOSIGNAL) != (ssize_t)(12 + size)) die("sending request %u", request);
}

// The answer's payload has `size` bytes; returns the descriptor that came along, or -1.
static int receive_answer(int fd, uint32_t request, void *payload, uint32_t size) {
    struct message m;
    struct iovec part = {&m, 12 + size};
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(fd, &header, MSG_WAITALL);
    if (got != (ssize_t)(12 + size) || m.request != request || m.flags != 5 || m.size != size)
        die("the answer to request %u has %zd bytes, flags %u", request, got, m.flags);
    memcpy(payload, m.payload, size);
    int passed = -1;
    if (CMSG_FIRSTHDR(&header)) memcpy(&passed, CMSG_DATA(&control.head), sizeof passed);
    return passed;
}

static uint64_t question(int fd, uint32_t request) {
    uint64_t answer;
    send_message(fd, request, "", 0, -1);
    receive_answer(fd, request, &answer, sizeof answer);
    return answer;
}

static void say(int fd, uint32_t request, uint64_t number, int passed) { send_message(fd, request, &number, sizeof number, passed); }

static void ring_state(int fd, uint32_t request, uint32_t value) {
    uint32_t state[2] = {0, value};
    send_message(fd, request, state, sizeof state, -1);
}

static struct guest *start(const char *path, size_t bytes, int *kick, int *call) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) die("connecting to %s", path);
    if (FEATURES & ~question(fd, GET_FEATURES)) die("features are missing");
    if (PROTOCOL_FEATURES & ~question(fd, GET_PROTOCOL_FEATURES)) die("protocol features are missing");
    say(fd, SET_PROTOCOL_FEATURES, PROTOCOL_FEATURES, -1);
    send_message(fd, SET_OWNER, "", 0, -1);
    say(fd, SET_FEATURES, FEATURES, -1);

    int memory = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ftruncate(memory, (off_t)bytes) || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) die("making the guest's memory");
    struct guest *guest = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
    if (guest == MAP_FAILED) die("mapping the guest's memory");
    struct { uint32_t regions, padding; uint64_t guest, size, user, offset; } table = {1, 0, 0, bytes, USER_BASE, 0};
    send_message(fd, SET_MEM_TABLE, &table, sizeof table, memory);

    struct { uint64_t size, offset; uint16_t queues, entries; uint32_t padding; } inflight = {0, 0, 1, RING, 0};
    send_message(fd, GET_INFLIGHT_FD, &inflight, sizeof inflight, -1);
    int area = receive_answer(fd, GET_INFLIGHT_FD, &inflight, sizeof inflight);
    if (area < 0) die("no area for requests in flight");
    send_message(fd, SET_INFLIGHT_FD, &inflight, sizeof inflight, area);

    ring_state(fd, SET_VRING_NUM, RING);
    ring_state(fd, SET_VRING_BASE, 0);
    struct { uint32_t ring, flags; uint64_t descriptors, used, available, log; } at = {0, 0, USER_BASE + offsetof(struct guest, descriptors),
        USER_BASE + offsetof(struct guest, used), USER_BASE + offsetof(struct guest, available), 0};
    send_message(fd, SET_VRING_ADDR, &at, sizeof at, -1);
    *kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *call = eventfd(0, EFD_CLOEXEC);
    // The back end makes its end of the descriptor non-blocking, which is a property of the file: see await().
    say(fd, SET_VRING_CALL, 0, *call);
    say(fd, SET_VRING_KICK, 0, *kick);
    ring_state(fd, SET_VRING_ENABLE, 1);
    return guest;
}

static uint64_t nanos(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t next_random(uint64_t *state) { // xorshift64*
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return *state * 2685821657736338717ull;
}

static void submit(struct guest *g, unsigned slot, int writes, uint64_t sector, uint32_t bytes, uint16_t *index) {
    struct slot *s = &g->slots[slot];
    uint64_t base = offsetof(struct guest, slots) + slot * sizeof *s;
    s->type = writes ? 1 : 0;
    s->sector = sector;
    s->status[0] = 0xff;
    s->table[0] = (struct descriptor){base, 16, 1, 1};
    s->table[1] = (struct descriptor){offsetof(struct guest, data) + (uint64_t)slot * bytes, bytes, writes ? 1 : 3, 2};
    s->table[2] = (struct descriptor){base + offsetof(struct slot, status), 1, 2, 0};
    g->descriptors[slot] = (struct descriptor){base + offsetof(struct slot, table), sizeof s->table, 4, 0};
    g->available.head[(*index)++ % RING] = (uint16_t)slot;
}

static void kick_if_wanted(struct guest *g, uint16_t index, uint16_t old, int kick) {
    __atomic_store_n(&g->available.index, index, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint16_t event = *(volatile uint16_t *)&g->used.available_event;
    if ((uint16_t)(index - event - 1) < (uint16_t)(index - old) && eventfd_write(kick, 1)) die("kicking");
}

static void await(struct guest *g, uint16_t seen, int call) {
    *(volatile uint16_t *)&g->available.used_event = seen;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&g->used.index, __ATOMIC_ACQUIRE) != seen) return;
    struct pollfd ready = {call, POLLIN, 0};
    if (poll(&ready, 1, 10000) != 1) die("no answer within 10 s");
    eventfd_t count;
    if (eventfd_read(call, &count)) die("reading the call descriptor");
}

enum { BUCKETS = 64 * 48 };
static unsigned bucket(uint64_t ns) { // 64 buckets for each power of two
    if (ns < 64) ns = 64;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(ns);
    unsigned at = (exponent - 6) * 64 + (unsigned)(ns >> (exponent - 6) & 63);
    return at < BUCKETS ? at : BUCKETS - 1;
}
static double percentile(const uint64_t *histogram, uint64_t total, double part) {
    uint64_t left = (uint64_t)((double)total * part);
    unsigned i = 0;
    while (i < BUCKETS - 1 && histogram[i] <= left) left -= histogram[i++];
    return (double)((64ull + i % 64) << (i / 64)) / 1e3;
}

int main(int count, char **words) {
    if (count != 7) die("usage: vhost_load SOCKET randread|randwrite BLOCK_BYTES DEPTH SECONDS DEVICE_BYTES");
    int writes = strcmp(words[2], "randwrite") == 0;
    uint32_t bytes = (uint32_t)strtoul(words[3], NULL, 10);
    unsigned depth = (unsigned)strtoul(words[4], NULL, 10);
    uint64_t seconds = strtoull(words[5], NULL, 10), device = strtoull(words[6], NULL, 10);
    if (bytes < 512 || bytes % 512 || depth < 1 || depth > RING || seconds < 1 || device < bytes) die("an argument is out of range");
    int kick, call;
    struct guest *g = start(words[1], sizeof *g + (size_t)RING * bytes, &kick, &call);
    uint64_t random = 88172645463325252ull, began[RING], done = 0;
    static uint64_t histogram[BUCKETS];
    unsigned free_slots[RING], free_count = depth, in_flight = 0;
    for (unsigned i = 0; i < depth; i++) free_slots[i] = i;
    for (size_t i = 0; i < (size_t)RING * bytes; i += 8) *(uint64_t *)&g->data[i] = next_random(&random);

    uint16_t index = 0, kicked = 0, seen = 0;
    uint64_t from = nanos(), end = from + seconds * 1000000000, now = from;
    while (now < end || in_flight > 0) {
        for (; free_count > 0 && now < end; in_flight++) {
            unsigned slot = free_slots[--free_count];
            began[slot] = nanos();
            submit(g, slot, writes, next_random(&random) % (device / bytes) * (bytes / 512), bytes, &index);
        }
        if (index != kicked) kick_if_wanted(g, index, kicked, kick), kicked = index;
        if (__atomic_load_n(&g->used.index, __ATOMIC_ACQUIRE) == seen) await(g, seen, call);
        now = nanos();
        for (; seen != __atomic_load_n(&g->used.index, __ATOMIC_ACQUIRE); seen++) {
            unsigned slot = g->used.element[seen % RING].head;
            if (slot >= depth || g->slots[slot].status[0] != 0) die("request %u failed with status %u", slot, g->slots[slot].status[0]);
            histogram[bucket(now - began[slot])]++;
            free_slots[free_count++] = slot;
            in_flight--, done++;
        }
    }
    double took = (double)(nanos() - from) / 1e9;
    printf("%.1f %.2f %.2f %llu\n", (double)done / took, percentile(histogram, done, 0.5), percentile(histogram, done, 0.99), (unsigned long long)done);
    return 0;
}
