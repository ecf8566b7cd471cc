"""Corners of the NBD protocol as libnbd asks about them, without libnbd's own checks.

nbd_corners.py URI BAD_URI    the export and one of the same socket under a name that it has not;
                              the export is of 40 MiB + 512 bytes, all zero, and left so
"""
import errno
import sys

import nbd

uri, bad_uri = sys.argv[1:]
SIZE = 40 * 1024 * 1024 + 512
MOST = 32 * 1024 * 1024
FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO = nbd.CMD_FLAG_FUA, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_DF, nbd.CMD_FLAG_REQ_ONE, nbd.CMD_FLAG_FAST_ZERO


def handle(structured=True, contexts=("base:allocation",), opt_mode=False):
    h = nbd.NBD()
    h.set_strict_mode(0)
    h.set_request_structured_replies(structured)
    for context in contexts:
        h.add_meta_context(context)
    h.set_opt_mode(opt_mode)
    return h


def connected(*given, **named):
    h = handle(*given, **named)
    h.connect_uri(uri)
    return h


def fails(error, call, *given):
    try:
        call(*given)
    except nbd.Error as e:
        assert e.errnum == error, f"{call.__name__}{given[1:]}: {e.string}, not {errno.errorcode[error]}"
        return
    raise AssertionError(f"{call.__name__}{given[1:]} succeeded")


def extents(h, count, offset, flags=0):
    found = []

    def note(context, at, entries, error):
        found.append((context, at, list(entries)))
        return 0

    h.block_status(count, offset, note, flags)
    return found


def end_of_the_device(h):
    assert h.get_size() == SIZE
    for offset, length in ((SIZE, 1), (SIZE - 511, 512), (0, SIZE + 1), (2**63, 512), (2**64 - 512, 512)):
        if length < MOST:
            fails(errno.EINVAL, h.pread, length, offset)
            fails(errno.ENOSPC, h.pwrite, bytes(length), offset)
        fails(errno.ENOSPC, h.zero, length, offset)
        fails(errno.EINVAL, h.trim, length, offset)
        fails(errno.EINVAL, h.cache, length, offset)
    # The last bytes, in blocks and without.
    h.pwrite(b"\x07" * 513, SIZE - 513, FUA)
    assert h.pread(513, SIZE - 513) == b"\x07" * 513
    h.trim(1, SIZE - 1)
    h.zero(2, SIZE - 3, NO_HOLE | FAST_ZERO | FUA)
    tail = h.pread(513, SIZE - 513)
    assert tail[:510] == b"\x07" * 510 and tail[510:512] == bytes(2) and tail[512] in (0, 7), tail[505:]
    h.zero(513, SIZE - 513)
    assert h.pread(513, SIZE - 513) == bytes(513)
    # Of nothing: nothing, and no error.
    for offset in (0, SIZE - 1, SIZE):
        assert h.pread(0, offset) == b""
        h.pwrite(b"", offset)
        h.zero(0, offset)
        h.trim(0, offset)
        h.cache(0, offset)


def any_alignment(h):
    h.pwrite(b"\x05" * 8193, 4095)
    h.pwrite(b"\x06", 8191)
    assert h.pread(8197, 4093) == bytes(2) + b"\x05" * 4096 + b"\x06" + b"\x05" * 4096 + bytes(2)
    h.zero(4097, 5000, NO_HOLE)
    assert h.pread(8193, 4095) == b"\x05" * 905 + bytes(4097) + b"\x05" * 3191
    h.zero(16384, 0, FAST_ZERO)
    assert h.pread(16384, 0) == bytes(16384)


def flags_of_each_command(h):
    fails(errno.EINVAL, h.pread, 512, 0, REQ_ONE)
    fails(errno.EINVAL, h.pwrite, bytes(512), 0, NO_HOLE)
    fails(errno.EINVAL, h.trim, 512, 0, FAST_ZERO)
    fails(errno.EINVAL, h.flush, NO_HOLE)
    fails(errno.EINVAL, h.zero, 512, 0, DF)
    fails(errno.EINVAL, h.cache, 512, 0, NO_HOLE)
    fails(errno.EINVAL, h.pread, 512, 0, 1 << 5)
    fails(errno.EINVAL, h.pwrite, bytes(512), 0, 1 << 15)
    # FUA is to be taken with any of them.
    h.pread(512, 0, FUA)
    h.flush(FUA)
    h.trim(512, 0, FUA)
    h.cache(512, 0, FUA)
    h.zero(512, 0, FUA)


def too_long(h, structured):
    h.pread(4096, 0)
    fails(errno.EOVERFLOW if structured else errno.EINVAL, h.pread, MOST + 1, 0)
    # Refused for its length or for its end; either way the next one is in step.
    for length in (MOST + 1, 2 * MOST):
        try:
            h.pwrite(bytes(length), 0)
            raise AssertionError("too long, and written")
        except nbd.Error as e:
            assert e.errnum in (errno.EINVAL, errno.ENOSPC), e
    assert h.pread(4096, 0) == bytes(4096)


def chunks_of_reads(h):
    h.pwrite(b"\x01" * 4096, 65536)
    for flags in (0, DF):
        seen = []

        def chunk(data, offset, status, error):
            seen.append((offset, len(data), status))
            return 0

        data = h.pread_structured(131072, 0, chunk, flags)
        assert data[65536:69632] == b"\x01" * 4096 and data.count(0) == 131072 - 4096
        assert sum(length for _, length, _ in seen) == 131072 or seen[0][2] == nbd.READ_HOLE, seen
        assert flags == 0 or len(seen) == 1, "DF wants one piece"
    h.trim(4096, 65536)


def block_status(h):
    h.pwrite(b"\x01" * 65536, 1 << 20)
    assert h.can_meta_context("base:allocation") and not h.can_meta_context("x-nobody:knows")
    (context, at, entries), = extents(h, SIZE, 0)
    assert context == "base:allocation" and at == 0
    assert sum(entries[::2]) == SIZE and entries[:4] == [1 << 20, 3, 65536, 0], entries
    (_, _, entries), = extents(h, SIZE - 1000, 1000, REQ_ONE)
    assert entries == [(1 << 20) - 1000, 3], entries
    (_, _, entries), = extents(h, 1, SIZE - 1, FUA)
    assert entries[::2] == [1], entries
    fails(errno.EINVAL, extents, h, 512, SIZE)
    fails(errno.EINVAL, extents, h, SIZE + 1, 0)
    fails(errno.EINVAL, extents, h, 0, 0)
    fails(errno.EINVAL, extents, h, 512, 0, NO_HOLE)
    h.trim(65536, 1 << 20)


def options():
    h = connected(opt_mode=True)
    names = []
    assert h.opt_list(lambda name, description: names.append(name) or 0) == 1
    assert names == [h.get_export_name()]
    h.set_export_name("nobody")
    fails(errno.ENOENT, h.opt_info)
    fails(errno.ENOENT, h.opt_go)
    h.set_export_name(names[0])
    for queries, expected in ((["base:"], 1), (["base:allocation", "x:y"], 1), (["x:", "base:alloc"], 0), ([], 1)):
        h.clear_meta_contexts()
        for query in queries:
            h.add_meta_context(query)
        seen = []
        assert h.opt_list_meta_context(lambda context: seen.append(context) or 0) == expected, queries
        assert seen == ["base:allocation"] * expected
    h.clear_meta_contexts()
    h.add_meta_context("base:allocation")
    h.opt_info()
    assert h.get_size() == SIZE and h.can_meta_context("base:allocation")
    h.opt_go()
    assert h.pread(1, 0) == b"\0"
    h.shutdown()
    h = connected(opt_mode=True)
    h.opt_abort()
    h = handle()
    fails(errno.ENOENT, h.connect_uri, bad_uri)


def leaving_amid_requests():
    h = connected()
    buffers = [nbd.Buffer(65536) for _ in range(64)]
    done = []
    for i, buffer in enumerate(buffers):
        h.aio_pread(buffer, 65536 * i, lambda error, i=i: done.append((i, error.value)) or 1)
        h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(512)), 65536 * i, lambda error, i=i: done.append((i, error.value)) or 1)
    h.aio_disconnect()
    while not (h.aio_is_closed() or h.aio_is_dead()):
        h.poll(10000)
    assert h.aio_is_closed() and len(done) == 128 and all(error == 0 for _, error in done), done


h = connected(contexts=("base:allocation", "x-nobody:knows", "qemu:allocation-depth"))
assert h.get_structured_replies_negotiated() and h.can_df() and h.can_multi_conn() and h.can_fast_zero()
end_of_the_device(h)
any_alignment(h)
flags_of_each_command(h)
too_long(h, True)
chunks_of_reads(h)
block_status(h)
h.shutdown()

h = connected(structured=False)
assert not h.get_structured_replies_negotiated() and not h.can_df() and not h.can_meta_context("base:allocation")
end_of_the_device(h)
any_alignment(h)
too_long(h, False)
fails(errno.EINVAL, h.pread, 512, 0, DF)
h.shutdown()

h = connected(contexts=())
assert not h.can_meta_context("base:allocation")
fails(errno.EINVAL, extents, h, 512, 0)
h.pread(512, 0)
h.shutdown()

options()
leaving_amid_requests()
print("every corner holds")
