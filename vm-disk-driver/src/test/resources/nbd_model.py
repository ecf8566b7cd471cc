"""Random requests on several connections against a model in memory.

usage: nbd_model.py URI SEED COUNT. Prints what differs and exits with 1.
"""

import random
import sys

import nbd

uri, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
handles = []
for _ in range(3):
    h = nbd.NBD()
    h.add_meta_context("base:allocation")
    h.connect_uri(uri)
    assert h.can_multi_conn() and h.can_meta_context("base:allocation")
    handles.append(h)
size = handles[0].get_size()
model = bytearray(size)


def place():
    """Offset and length: any alignment, mostly small, within the disk."""
    length = rng.choice([1, 3, 511, 512, 513, 4095, 4096, 4097, 10000, 65536, 200000, 1 << 20])
    length = min(size, rng.randint(1, length) if rng.random() < 0.5 else length)
    offset = rng.randint(0, size - length)
    if rng.random() < 0.4:
        offset -= offset % 4096
    return offset, length


def check(h, offset, length):
    if rng.random() < 0.5:
        got = h.pread(length, offset)
    else:
        chunks = []
        got = h.pread_structured(
            length, offset, lambda data, at, status, error: chunks.append(at), nbd.CMD_FLAG_DF
        )
        assert chunks == [offset], (offset, length, chunks)
    if got != model[offset : offset + length]:
        where = next(i for i in range(length) if got[i] != model[offset + i])
        sys.exit(f"seed {seed}: read of {length} at {offset} differs from byte {where}")


def map_of(h, offset, length):
    entries = []

    def collect(context, start, found, error):
        assert context == "base:allocation" and start == offset
        entries.extend(zip(found[::2], found[1::2]))

    h.block_status(length, offset, collect, rng.choice([0, nbd.CMD_FLAG_REQ_ONE]))
    at = offset
    assert entries
    for extent, flags in entries:
        assert extent > 0 and at + extent <= offset + length, (offset, length, entries)
        if flags & nbd.STATE_ZERO and any(model[at : at + extent]):
            sys.exit(f"seed {seed}: {extent} bytes at {at} are no zeroes")
        at += extent


for step in range(count):
    h = rng.choice(handles)
    offset, length = place()
    fua = rng.choice([0, nbd.CMD_FLAG_FUA])
    kind = rng.random()
    if kind < 0.4:
        data = rng.randbytes(length) if rng.random() < 0.8 else bytes(length)
        h.pwrite(data, offset, fua)
        model[offset : offset + length] = data
    elif kind < 0.5:
        flags = fua | rng.choice([0, nbd.CMD_FLAG_NO_HOLE]) | rng.choice([0, nbd.CMD_FLAG_FAST_ZERO])
        h.zero(length, offset, flags)
        model[offset : offset + length] = bytes(length)
    elif kind < 0.58:
        h.trim(length, offset, fua)
        model[offset : offset + length] = bytes(length)
    elif kind < 0.62:
        h.flush()
    elif kind < 0.65:
        h.cache(length, offset)
    elif kind < 0.75:
        map_of(h, offset, length)
    else:
        check(rng.choice(handles), offset, length)

for offset in range(0, size, 1 << 20):
    check(handles[0], offset, min(1 << 20, size - offset))
for h in handles:
    h.shutdown()
print(f"{count} requests agree")
