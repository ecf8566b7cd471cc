#!/usr/bin/env bash
# How long a snapshot and a clone take, through the REST API, under a light write load.
#
#   benchmarks/snapshots.sh          TIMES=100 MANY=1000 SIZES="1GiB 1TiB" RATE=200 (4 KiB writes/s, random, to the volume)
#
# Three node processes and a driver; for each size, with 1 and with MANY snapshots of the volume. Prints a table, p50 / p99 in
# milliseconds as a client with a kept connection sees them, after as many that are not counted. Needs fio and jq. Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TIMES=${TIMES:-100} MANY=${MANY:-1000} SIZES=${SIZES:-1GiB 1TiB} RATE=${RATE:-200}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-snapshots.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
java=$("$here/../cistern" --jdk-home)/bin/java
load=
cleanup() {
    trap '' INT TERM # a second signal must not leave anything behind
    [ -n "$load" ] && kill "$load" 2>/dev/null && wait "$load" 2>/dev/null
    cistern stop >/dev/null 2>&1
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cistern start --processes >"$work/start.log" 2>&1 || { cat "$work/start.log" >&2; exit 1; }
api=$(cistern status -o json | jq -r '.nodes[0].api')
echo "| volume | snapshot p50 / p99 ms | clone p50 / p99 ms |"
echo "|---|---|---|"
for size in $SIZES; do
    volume=v${size,,}
    cistern volume create "$volume" "$size" >/dev/null && cistern attach "$volume" --socket "$work/$volume.sock" >/dev/null || exit 1
    fio --name=load --ioengine=nbd --uri="nbd+unix:///?socket=$work/$volume.sock" --rw=randwrite --bs=4k --iodepth=4 --size=1g \
        --rate_iops="$RATE" --time_based --runtime=3600 --output="$work/fio.log" >/dev/null 2>&1 &
    load=$!
    sleep 2
    for snapshots in 1 "$MANY"; do
        "$java" "$here/src/main/java/io/cistern/bench/SnapshotTimes.java" "$api" "$volume" "$snapshots" "$TIMES" "$size" ||
            echo "snapshots.sh: $size with $snapshots snapshots failed" >&2
    done
    kill "$load" 2>/dev/null && wait "$load" 2>/dev/null
    load=
    cistern detach "$volume" >/dev/null
done
