#!/usr/bin/env bash
# One fio grid over replicated block devices on this machine, side by side, pass by pass.
#
#   benchmarks/compare.sh [TARGET...]        default: cistern ceph gluster
#   TARGET: cistern   three node processes and the driver, NBD on a Unix socket
#           ceph      one monitor, one manager, three BlueStore OSDs, pool of size 3 (fio's rbd engine, cache off)
#           gluster   three bricks, replica 3, the "virt" option group (fio's gfapi engine, O_DIRECT)
#           local     a file on the same disk, O_DIRECT and io_uring: the floor
#   PASSES=2 RUNTIME=8 RAMP=2 SIZE=4 (GiB) CELLS="rr4k-q1 ..." OUT=benchmarks/target/compare
#
# Each pass starts a target, writes its image once in full, runs the nine cells and stops it, so that no target's idle
# daemons disturb another. All of it runs as root in a private network and mount namespace; everything started here is stopped
# here, by pid. Prints one line per cell; writes OUT/results.tsv and OUT/table.md.
# Debian packages: fio jq; for ceph: ceph-mon ceph-mgr ceph-osd ceph-common; for gluster: glusterfs-server.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PASSES=${PASSES:-2} RUNTIME=${RUNTIME:-8} RAMP=${RAMP:-2} SIZE=${SIZE:-4}
export OUT=${OUT:-$here/target/compare}
export CELLS=${CELLS:-"rr4k-q1 rr4k-q32 rw4k-q1 rw4k-q32 rw64k-q16 sr1m-q8 sw1m-q8 mix4k-q32"}
(($#)) || set -- cistern ceph gluster

if [ -z "${COMPARE_INSIDE:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "compare.sh: needs root, for a namespace of its own" >&2; exit 1; }
    mkdir -p "$OUT"
    for program in fio jq curl awk unshare; do
        command -v "$program" >/dev/null || { echo "compare.sh: needs $program" >&2; exit 1; }
    done
    # Built here, where there is a network for Maven.
    [[ " $* " != *" cistern "* ]] || "$here/../cistern" --build || exit 1
    COMPARE_INSIDE=1 exec unshare --net --mount --propagation private bash -c '
        mount -t tmpfs tmpfs /run && ip link set lo up && ip addr add 10.255.0.1/32 dev lo && exec "$@"' \
        sh "${BASH_SOURCE[0]}" "$@"
fi

work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-compare.XXXXXX")
declare -A daemons=()
spawn() { # spawn NAME COMMAND...
    local name=$1; shift
    setsid "$@" >"$work/$name.log" 2>&1 </dev/null &
    daemons[$name]=$!
}
stop_daemons() {
    local pid tries
    for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null; done
    for tries in {1..50}; do
        kill -0 "${daemons[@]}" 2>/dev/null || break
        sleep 0.2
    done
    for pid in "${daemons[@]}"; do kill -9 "$pid" 2>/dev/null; done
    wait 2>/dev/null
    daemons=()
}
until_ok() { # until_ok SECONDS COMMAND...
    local end=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || { echo "compare.sh: timed out: $*" >&2; return 1; }
        sleep 0.2
    done
}
for target in "$@"; do
    # shellcheck source=/dev/null
    . "$here/peers/$target.sh" 2>/dev/null || { echo "compare.sh: no target '$target'; see the head of this file" >&2; exit 2; }
done
current=
cleanup() { trap '' INT TERM; [ -n "$current" ] && "down_$current"; stop_daemons; rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

# shellcheck source=/dev/null
. "$here/cells.sh"
ticks_of() { # CPU ticks of processes and all their threads
    local pid sum=0 t
    for pid in "$@"; do
        t=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | awk '{ print $12 + $13 }')
        sum=$((sum + ${t:-0}))
    done
    echo "$sum"
}
busy_ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }

results=$OUT/results.tsv
printf 'target\tpass\tcell\tread_iops\twrite_iops\tMB/s\tp50_us\tp99_us\tclient_cores\tserver_cores\tother_cores\n' >"$results"
run_cell() { # run_cell TARGET PASS CELL
    local target=$1 pass=$2 cell=$3 json=$work/fio.json pids s0 s1 b0 b1 t0 t1
    pids=$("pids_$target")
    # shellcheck disable=SC2086
    s0=$(ticks_of $pids) b0=$(busy_ticks) t0=$(date +%s%N)
    # shellcheck disable=SC2046
    timeout 90 fio --name="$cell" $(cell_options "$cell") $("fio_$target") --size="${SIZE}g" --time_based --runtime="$RUNTIME" \
        --ramp_time="$RAMP" --randrepeat=0 --norandommap --lat_percentiles=1 --clat_percentiles=0 --output-format=json \
        >"$json.raw" 2>"$work/fio.err" || echo "compare.sh: $target $cell: $(head -c 300 "$work/fio.err")" >&2
    # shellcheck disable=SC2086
    s1=$(ticks_of $pids) b1=$(busy_ticks) t1=$(date +%s%N)
    sed -n '/^{/,$p' "$json.raw" >"$json"
    jq -r --arg t "$target" --arg p "$pass" --arg c "$cell" --argjson s $((s1 - s0)) --argjson b $((b1 - b0)) \
        --argjson ns $((t1 - t0)) '
        .jobs[0] as $j | ($ns / 1e9) as $sec | (($j.usr_cpu + $j.sys_cpu) / 100) as $cli
        | (if $j.write.iops > $j.read.iops then $j.write else $j.read end) as $d
        | [$t, $p, $c, ($j.read.iops | round), ($j.write.iops | round),
           (($j.read.bw_bytes + $j.write.bw_bytes) / 1e6 | round),
           ($d.lat_ns.percentile["50.000000"] / 1000 | round), ($d.lat_ns.percentile["99.000000"] / 1000 | round),
           ($cli * 100 | round / 100), ($s / $sec | round / 100), (($b / 100 / $sec - $cli - $s / 100 / $sec) * 100 | round / 100)]
        | @tsv' "$json" | tee -a "$results"
}

for ((pass = 1; pass <= PASSES; pass++)); do
    for target in "$@"; do
        current=$target
        "up_$target" || { echo "compare.sh: $target did not start" >&2; "down_$target"; stop_daemons; current=; continue; }
        # shellcheck disable=SC2046
        timeout 600 fio --name=fill --rw=write --bs=1m --iodepth=8 --size="${SIZE}g" $("fio_$target") >"$work/fill.log" 2>&1 ||
            echo "compare.sh: filling $target failed: $(tail -n 3 "$work/fill.log")" >&2
        sync # what the fill left to be written back is not a cell's
        for cell in $CELLS; do run_cell "$target" "$pass" "$cell"; done
        if declare -F "extra_$target" >/dev/null; then "extra_$target" | tee -a "$OUT/extra-$target.txt"; fi
        "down_$target"
        stop_daemons
        current=
    done
done

# --- the table: median over passes, ratio of each target to ceph --------------------------------------------------------
awk -F'\t' 'NR > 1 { k = $1 "\t" $3; n[k]++; v[k, n[k]] = $4 + $5; if (!($3 in seen)) { seen[$3]; cells[++m] = $3 }
        if (!($1 in known)) { known[$1]; targets[++q] = $1 }; cli[k] += $9; srv[k] += $10; p99[k] += $8 }
    function median(k,   i, j, t) { for (i = 1; i <= n[k]; i++) for (j = i + 1; j <= n[k]; j++)
            if (v[k, j] < v[k, i]) { t = v[k, i]; v[k, i] = v[k, j]; v[k, j] = t }
        return n[k] % 2 ? v[k, (n[k] + 1) / 2] : (v[k, n[k] / 2] + v[k, n[k] / 2 + 1]) / 2 }
    END { printf "| cell |"; for (i = 1; i <= q; i++) printf " %s IOPS (p99 ms; client + server cores) |", targets[i]
        print " cistern : ceph |"; printf "|---|"; for (i = 0; i <= q; i++) printf "---|"; print ""
        for (c = 1; c <= m; c++) { printf "| %s |", cells[c]
            for (i = 1; i <= q; i++) { k = targets[i] "\t" cells[c]; if (n[k]) printf " %d (%.1f; %.2f + %.2f) |", median(k), p99[k] / n[k] / 1000, cli[k] / n[k], srv[k] / n[k]; else printf " - |" }
            a = "cistern\t" cells[c]; b = "ceph\t" cells[c]; if (n[a] && n[b]) printf " %.1f |\n", median(a) / median(b); else print " - |" } }' \
    "$results" | tee "$OUT/table.md"
