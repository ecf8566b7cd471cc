#!/usr/bin/env bash
# How long writes stand still when the leader's process is killed (SIGKILL) or frozen (SIGSTOP).
#
#   benchmarks/failover.sh [kill] [freeze]        default: both        TIMES=10 DEPTH=8 RUNTIME=12 (seconds of load around each)
#
# Three node processes and a driver; fio writes 4 KiB blocks through NBD. Three seconds into each run the process that leads the
# volume's group is hit. The stall is the longest time without a completed write from then on, read from fio's log of every
# completion (resolution 1 ms). The node is then started again, or thawed, and the next run waits until the cluster is healthy.
# A failed write fails the run. Needs fio and jq. Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TIMES=${TIMES:-10} DEPTH=${DEPTH:-8} RUNTIME=${RUNTIME:-12}
(($#)) || set -- kill freeze
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-failover.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
SIZE=1
frozen=
cleanup() {
    trap '' INT TERM # a second signal must not leave anything behind
    [ -n "$frozen" ] && kill -CONT "$frozen" 2>/dev/null
    down_cistern
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

healthy() {
    local end=$((SECONDS + 90))
    until [ "$(cistern status -o json 2>/dev/null | jq -r .health)" = OK ]; do
        ((SECONDS < end)) || { echo "failover.sh: the cluster is not healthy after 90 s" >&2; cistern status >&2; return 1; }
        sleep 0.5
    done
}
leader_pid() { # the process that leads the volume's group
    local leader
    leader=$(cistern volume show bench -o json | jq -r '.leader // empty')
    cistern status -o json | jq -r --arg n "$leader" '.nodes[] | select(.name == $n) | .pid'
}
stall() { # stall kill|freeze: prints milliseconds
    local how=$1 load hit pid
    # shellcheck disable=SC2046
    fio --name=load $(fio_cistern) --rw=randwrite --bs=4k --iodepth="$DEPTH" --size=256m --time_based --runtime="$RUNTIME" \
        --write_lat_log="$work/load" --log_unix_epoch=1 --output="$work/fio.txt" >/dev/null 2>"$work/fio.err" &
    load=$!
    sleep 3
    pid=$(leader_pid) # now: leaders move after a node has come back
    hit=$(date +%s%3N)
    if [ "$how" = kill ]; then
        kill -KILL "$pid"
    else
        frozen=$pid
        kill -STOP "$pid"
    fi
    wait "$load" || { echo "failover.sh: a write failed: $(head -c 300 "$work/fio.err")" >&2; return 1; }
    if [ "$how" = kill ]; then
        cistern start --processes >"$work/restart.log" 2>&1 || cat "$work/restart.log" >&2
    else
        kill -CONT "$pid"
        frozen=
    fi
    awk -F, -v hit="$hit" '{ t = $1 + 0; if (t < hit) { last = t; next } if (last && t - last > most) most = t - last; last = t }
        END { print most + 0 }' < <(sort -n -t, -k1,1 "$work"/load_lat.*.log)
    rm -f "$work"/load_*.log
}

up_cistern || exit 1
# shellcheck disable=SC2046
fio --name=warm $(fio_cistern) --rw=randwrite --bs=4k --iodepth="$DEPTH" --size=256m --time_based --runtime=10 >/dev/null 2>&1
for how in "$@"; do
    : >"$work/$how"
    for ((i = 1; i <= TIMES; i++)); do
        healthy && ms=$(stall "$how") || exit 1
        echo "$how $i: $ms ms"
        echo "$ms" >>"$work/$how"
    done
done
echo
echo "| leader | runs | stall p50 ms | p99 ms | max ms |"
echo "|---|---|---|---|---|"
for how in "$@"; do
    sort -n "$work/$how" | awk -v how="$how" '{ v[NR] = $1 } END { printf "| %s | %d | %d | %d | %d |\n", how, NR, v[int((NR + 1) / 2)], v[int(NR * 0.99 + 0.999)], v[NR] }'
done
