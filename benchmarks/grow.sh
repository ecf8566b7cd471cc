#!/usr/bin/env bash
# How fast a replica moves to a new node, and what users feel of it.
#
#   benchmarks/grow.sh        SIZE=2 (GiB written before) RUNTIME=15 (seconds without a move) DEPTH=8 RATE=1500 (requests a second)
#
# Three node processes and a driver; the volume is filled. fio reads and writes 4 KiB blocks (70 : 30) through NBD at a steady
# rate, first for RUNTIME seconds with nothing else going on, then while a fourth and a fifth node join and two of the first three are drained
# one after the other, so that their replicas move as a whole. Prints the 99th percentile of latency of both, the bytes moved and how long that took,
# without load (a third drain) too. Needs fio and jq. Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SIZE=${SIZE:-2} RUNTIME=${RUNTIME:-15} DEPTH=${DEPTH:-8} RATE=${RATE:-1500}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-grow.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
load=
cleanup() {
    trap '' INT TERM
    [ -n "$load" ] && kill "$load" 2>/dev/null
    down_cistern
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

mix() { # mix NAME SECONDS
    # shellcheck disable=SC2046
    fio --name="$1" $(fio_cistern) --rw=randrw --rwmixread=70 --bs=4k --iodepth="$DEPTH" --size="${SIZE}g" --time_based --runtime="$2" \
        --rate_iops="$((RATE * 7 / 10)),$((RATE * 3 / 10))" --percentile_list=50:99:99.9 --output-format=json --output="$work/$1.json" >/dev/null 2>"$work/$1.err"
}
latency() { # latency NAME
    sed -n "/^{/,\$p" "$work/$1.json" | jq -r --arg n "$1" '.jobs[0] | [.read, .write] | map("\(.iops | floor) IOPS, p50 \(.clat_ns.percentile["50.000000"] / 1e6 * 100 | floor / 100) ms, p99 \(.clat_ns.percentile["99.000000"] / 1e6 * 100 | floor / 100) ms") | "\($n): read \(.[0]); write \(.[1])"'
}
drain() { # drain NODE TO WHAT: prints seconds and bytes
    local began ended bytes to=$2
    began=$(date +%s%3N)
    cistern node drain "$1" --wait >"$work/drain.log" 2>&1 || { cat "$work/drain.log" >&2; return 1; }
    ended=$(date +%s%3N)
    bytes=$(cistern status -o json | jq --arg n "$to" '[.groups[].replicas[] | select(.node == $n) | .copiedBytes] | add')
    awk -v b="$bytes" -v ms=$((ended - began)) -v what="$3" 'BEGIN { printf "%s: %.0f MB copied, drained after %.1f s (%.0f MB/s, looking and membership changes included)\n", what, b / 1e6, ms / 1e3, b / ms / 1e3 }'
    # The copies by themselves, as the node that got them says.
    sed -n 's/.*copied group \(g[0-9]*\) from \(n[0-9]*\) in \([0-9]*\) ms: \([0-9]*\) bytes received.*/\1 \2 \3 \4/p' "$cistern_home/$to/node.log" |
        awk '$4 > 0 { printf "  %s from %s: %.0f MB in %.1f s, %.0f MB/s\n", $1, $2, $4 / 1e6, $3 / 1e3, $4 / ($3 + 1) / 1e3 }'
}

up_cistern || exit 1
cistern cluster set --balance off >/dev/null
# shellcheck disable=SC2046
fio --name=fill $(fio_cistern) --rw=write --bs=1m --iodepth=8 --size="${SIZE}g" --output="$work/fill.txt" >/dev/null 2>&1 || exit 1
mix warm 5
mix quiet "$RUNTIME" && latency quiet
cistern node add --join "$(cistern node token)" >/dev/null || exit 1
mix moving 600 &
load=$!
sleep 2
drain n2 n3 "to the fourth node, under load" || exit 1
cistern node add --join "$(cistern node token)" >/dev/null || exit 1
drain n1 n4 "to the fifth node, under load" || exit 1
kill -INT "$(pgrep -P "$load" fio || echo "$load")" 2>/dev/null
wait "$load"
load=
latency moving
cistern node drain n2 --cancel >/dev/null
drain n3 n2 "without load"
