#!/usr/bin/env bash
# Cistern's iSCSI portals beside tgt, the same initiators on the same machine, pass by pass.
#
#   benchmarks/iscsi.sh [TARGET...]          default: tgt cistern
#   TARGET: tgt       tgtd over a file on the same disk, through the page cache: local, not replicated, its best case
#           cistern   three node processes, three replicas; the portal of the node that leads the volume's group
#           nbd       the same volume through its driver's socket: what the volume does without iSCSI
#   PASSES=2 SIZE=1 (GiB) SECONDS_EACH=4 OUT=benchmarks/target/iscsi
#   WARM=20000 (writes of 4 KiB, 32 outstanding, before the first cell: until the nodes' compilers have settled)
#   CISTERN_NO_BUILD=1 to run what is built
#
# Cells: random reads of 4 KiB by iscsi-perf; sequential reads and writes by QEMU's initiator (qemu-img bench). Each is run once
# to warm up and once for the figure. Prints one line per cell, then a table; writes OUT/results.tsv.
# In a network namespace of its own; ends what it started, by pid. Debian packages: libiscsi-bin qemu-utils qemu-block-extra tgt jq.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PASSES=${PASSES:-2} SIZE=${SIZE:-1} SECONDS_EACH=${SECONDS_EACH:-4} WARM=${WARM:-20000} OUT=${OUT:-$here/target/iscsi}
(($#)) || set -- tgt cistern
die() { echo "iscsi.sh: $*" >&2; exit 1; }
if [ -z "${ISCSI_INSIDE:-}" ]; then
    [ "$(id -u)" = 0 ] || die "needs root, for a namespace of its own"
    mkdir -p "$OUT"
    for program in iscsi-perf qemu-img jq curl unshare; do command -v "$program" >/dev/null || die "needs $program"; done
    [[ " $* " != *" tgt "* ]] || [ -x /usr/sbin/tgtd ] || die "needs tgtd"
    [ -n "${CISTERN_NO_BUILD:-}" ] || "$here/../cistern" --build || exit 1
    ISCSI_INSIDE=1 exec unshare --net bash -c 'ip link set lo up && exec "$@"' sh "${BASH_SOURCE[0]}" "$@"
fi
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-iscsi.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
pid_tgt=
up_tgt() {
    truncate -s "${SIZE}G" "$work/tgt.img"
    /usr/sbin/tgtd -f -C 77 --iscsi portal=127.0.0.1:3990 >"$work/tgtd.log" 2>&1 &
    pid_tgt=$!
    sleep 1
    tgtadm -C 77 --lld iscsi --op new --mode target --tid 1 -T iqn.2001-04.org.example:bench &&
        tgtadm -C 77 --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 -b "$work/tgt.img" &&
        tgtadm -C 77 --lld iscsi --op bind --mode target --tid 1 -I ALL || { cat "$work/tgtd.log" >&2; return 1; }
    url=iscsi://127.0.0.1:3990/iqn.2001-04.org.example:bench/1
}
down_tgt() {
    [ -z "$pid_tgt" ] || { kill -9 "$pid_tgt" 2>/dev/null; wait "$pid_tgt" 2>/dev/null; }
    pid_tgt=
    rm -f "$work/tgt.img"
}
up_nbd() { up_cistern && url="nbd+unix:///bench?socket=$work/bench.sock"; }
down_nbd() { down_cistern; }
up_iscsi() {
    cistern start --processes >"$work/cistern-start.log" 2>&1 || { cat "$work/cistern-start.log" >&2; return 1; }
    cistern volume create bench "${SIZE}GiB" >/dev/null && cistern iscsi export bench >/dev/null || return 1
    local leader portal
    leader=$(cistern status -o json | jq -r '.volumes[] | select(.name == "bench").leader')
    portal=$(cistern status -o json | jq -r --arg n "$leader" '.nodes[] | select(.name == $n).iscsi' | sed 's/,.*//')
    [ -n "$portal" ] || { echo "iscsi.sh: node $leader shows no portal" >&2; return 1; }
    url=iscsi://$portal/iqn.2026-11.io.cistern:bench/0
}
down_iscsi() { cistern iscsi unexport bench >/dev/null 2>&1; down_cistern; }
up() { case $1 in cistern) up_iscsi ;; *) "up_$1" ;; esac; }
down() { case $1 in cistern) down_iscsi ;; *) "down_$1" ;; esac; }

current=
cleanup() { trap '' INT TERM; [ -z "$current" ] || down "$current"; rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

random_reads() { # random_reads OUTSTANDING: 4 KiB reads a second
    timeout "$((SECONDS_EACH + 20))" iscsi-perf -m "$1" -b 8 -t "$SECONDS_EACH" -r "$url" 2>&1 | tr '\r' '\n' |
        sed -n 's/.*iops average *\([0-9]*\).*/\1/p' | tail -n 1
}
bench() { # bench COUNT BYTES OUTSTANDING [-w]: requests a second
    local count=$1 bytes=$2 depth=$3; shift 3
    timeout 120 qemu-img bench -f raw -t none -c "$count" -s "$bytes" -d "$depth" "$@" "$url" 2>&1 |
        awk -v n="$count" '/Run completed/ { printf "%.0f\n", n / $4 }'
}
timed() { # timed BYTES OUTSTANDING [-w]: a short run says how many requests the time is good for
    local rate
    rate=$(bench 500 "$@")
    [ -n "$rate" ] || return 1
    rate=$(bench "$((rate * SECONDS_EACH / 2 + 100))" "$@") && bench "$((rate * SECONDS_EACH + 100))" "$@"
}
cell() {
    case $1 in
    perf-rr4k-q1) random_reads 1 >/dev/null; random_reads 1 ;;
    perf-rr4k-q32) random_reads 32 >/dev/null; random_reads 32 ;;
    qemu-r4k-q1) timed 4096 1 ;;
    qemu-r4k-q32) timed 4096 32 ;;
    qemu-w4k-q1) timed 4096 1 -w ;;
    qemu-w4k-q32) timed 4096 32 -w ;;
    qemu-r1m-q8) timed 1048576 8 ;;
    qemu-w1m-q8) timed 1048576 8 -w ;;
    *) die "no cell $1" ;;
    esac
}
CELLS=${CELLS:-"perf-rr4k-q1 perf-rr4k-q32 qemu-r4k-q1 qemu-r4k-q32 qemu-w4k-q1 qemu-w4k-q32 qemu-r1m-q8 qemu-w1m-q8"}
results=$OUT/results.tsv
: >"$results"
for ((pass = 1; pass <= PASSES; pass++)); do
    for target in "$@"; do
        current=$target
        up "$target" || { echo "iscsi.sh: $target did not start" >&2; down "$target"; current=; continue; }
        qemu-img bench -f raw -t none -w -c "$((SIZE * 1024))" -s 1048576 -d 4 "$url" >/dev/null 2>&1 || echo "iscsi.sh: filling $target failed" >&2
        [ "$WARM" = 0 ] || bench "$WARM" 4096 32 -w >/dev/null
        sync # what the fill left to be written back is not a cell's
        for cell in $CELLS; do
            [[ $target != nbd || $cell != perf-* ]] || continue
            sync
            printf '%s\t%s\t%s\t%s\n' "$target" "$pass" "$cell" "$(cell "$cell")" | tee -a "$results"
        done
        down "$target"
        current=
    done
done
awk -F'\t' '{ v[$1, $3] = v[$1, $3] == "" ? $4 : v[$1, $3] ", " $4; if (!($3 in c)) { c[$3]; cells[++n] = $3 } if (!($1 in t)) { t[$1]; targets[++m] = $1 } }
    END { printf "| cell, requests a second |"; for (i = 1; i <= m; i++) printf " %s |", targets[i]; printf "\n|---|"; for (i = 1; i <= m; i++) printf "---|"; print ""
        for (k = 1; k <= n; k++) { printf "| %s |", cells[k]; for (i = 1; i <= m; i++) printf " %s |", v[targets[i], cells[k]]; print "" } }' "$results" | tee "$OUT/table.md"
