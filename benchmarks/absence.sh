#!/usr/bin/env bash
# What a node that was away under load is sent when it comes back, against what changed meanwhile.
#
#   benchmarks/absence.sh [SECONDS…]      default: 5 30        DEPTH=8 RATE=0 (writes/s, 0: all it can) SIZE=1 (GiB)
#
# Three node processes and a driver; fio writes 4 KiB blocks at random through NBD. For each absence a node that does not lead is
# killed (SIGKILL), and started again when the load has ended, so that what it lacks is what the load wrote. Printed are the bytes
# written, the bytes that the log took for them (what is sent where the log reaches back far enough), the bytes of block data that
# came in a copy, and the time from the start of the process until the cluster is healthy. Needs fio and jq. Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DEPTH=${DEPTH:-8} RATE=${RATE:-0} SIZE=${SIZE:-1}
(($#)) || set -- 5 30
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-absence.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
cleanup() {
    trap '' INT TERM # a second signal must not leave anything behind
    down_cistern
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

healthy() {
    local end=$((SECONDS + 120))
    until [ "$(cistern status -o json 2>/dev/null | jq -r .health)" = OK ]; do
        ((SECONDS < end)) || { echo "absence.sh: the cluster is not healthy after 120 s" >&2; cistern status >&2; return 1; }
        sleep 0.2
    done
}
node() { cistern status -o json | jq -r --arg n "$1" ".nodes[] | select(.name == \$n) | .$2"; }
load() { # load SECONDS: prints the number of writes
    # shellcheck disable=SC2046
    fio --name=load $(fio_cistern) --rw=randwrite --bs=4k --iodepth="$DEPTH" --rate_iops="$RATE" --norandommap --randrepeat=0 \
        --size="${SIZE}g" --time_based --runtime="$1" --output-format=json --output="$work/fio.json" >/dev/null 2>"$work/fio.err"
    sed -n '/^{/,$p' "$work/fio.json" | jq '.jobs[0].write.total_ios'
}

up_cistern || exit 1
# shellcheck disable=SC2046
fio --name=fill $(fio_cistern) --rw=write --bs=1m --iodepth=4 --size="${SIZE}g" >/dev/null 2>&1
echo "| away s | writes | written MB | log MB | copied MB | sent / written | healthy after s |"
echo "|---|---|---|---|---|---|---|"
for away in "$@"; do
    healthy || exit 1
    leader=$(cistern volume show bench -o json | jq -r '.leader // empty')
    gone=$(cistern status -o json | jq -r --arg n "$leader" '[.nodes[] | select(.name != $n) | .name][0]')
    kill -KILL "$(node "$gone" pid)"
    sleep 1
    before=$(metrics_cistern "$(node "$leader" api)" cistern_raft_log_written_bytes_total)
    writes=$(load "$away")
    after=$(metrics_cistern "$(node "$leader" api)" cistern_raft_log_written_bytes_total)
    began=$(date +%s%3N)
    cistern start --processes >"$work/restart.log" 2>&1 || cat "$work/restart.log" >&2
    healthy || { tail -n 40 "$cistern_home/$gone/node.log" "$cistern_home/$gone/node.out" >&2; exit 1; }
    took=$(($(date +%s%3N) - began))
    copied=$(metrics_cistern "$(node "$gone" api)" cistern_copied_bytes_total)
    awk -v away="$away" -v writes="$writes" -v logged=$((after - before)) -v copied="$copied" -v took="$took" 'BEGIN {
        written = writes * 4096; sent = copied > 0 ? copied : logged
        printf "| %d | %d | %.0f | %.0f | %.0f | %.2f | %.1f |\n", away, writes, written / 1e6, logged / 1e6, copied / 1e6, sent / written, took / 1000 }'
done
