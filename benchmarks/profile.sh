#!/usr/bin/env bash
# Where the CPU time of a load goes: three node processes and the driver under fio, thread by thread.
#
#   benchmarks/profile.sh [CELL...]          default: rw4k-q32 rw4k-q1 sw1m-q8
#   SIZE=1 (GiB) RUNTIME=8 RAMP=2 WARM=0 (seconds of rw4k-q32 before the first cell)
#   JFR=1      flight recordings of every process, kept in OUT     OUT=benchmarks/target/profile
#   TOP=12     threads to print per cell
#
# For each cell: IOPS, latency, CPU per request by process and by thread, context switches, bytes written to the device,
# log fsyncs. `CISTERN_NODE_OPTS` reaches the processes as ever. Needs fio and jq. Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SIZE=${SIZE:-1} RUNTIME=${RUNTIME:-8} RAMP=${RAMP:-2} WARM=${WARM:-0} TOP=${TOP:-12} OUT=${OUT:-$here/target/profile}
(($#)) || set -- rw4k-q32 rw4k-q1 sw1m-q8
mkdir -p "$OUT"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-profile.XXXXXX")
# shellcheck source=/dev/null
. "$here/cells.sh"
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
jcmd=$("$here/../cistern" --jdk-home)/bin/jcmd
trap 'trap "" INT TERM; down_cistern; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

threads() { # one line per thread: process, name, ticks, switches
    local pid task name ticks voluntary involuntary
    for pid in $(pids_cistern); do
        for task in /proc/"$pid"/task/*; do
            { name=$(<"$task/comm"); } 2>/dev/null || continue
            ticks=$(sed 's/.*) //' "$task/stat" 2>/dev/null | awk '{ print $12 + $13 }')
            read -r voluntary involuntary < <(awk '/ctxt_switches/ { printf "%d ", $2 }' "$task/status" 2>/dev/null)
            printf '%s\t%s\t%s\t%s\t%s\n' "$pid" "${task##*/}" "${name// /_}" "${ticks:-0}" $((${voluntary:-0} + ${involuntary:-0}))
        done
    done
}
device_bytes() { # written to block devices by all processes here
    local pid sum=0 n
    for pid in $(pids_cistern); do
        n=$(awk '/^write_bytes/ { print $2 }' "/proc/$pid/io" 2>/dev/null)
        sum=$((sum + ${n:-0}))
    done
    echo "$sum"
}
fsyncs() {
    local api sum=0 n
    for api in $apis; do
        n=$(curl -fsS --max-time 5 "$api/metrics" 2>/dev/null | awk '/^cistern_raft_fsyncs_total/ && $1 !~ /"g0"|system/ { s += $2 } END { printf "%d", s }')
        sum=$((sum + ${n:-0}))
    done
    echo "$sum"
}
role() { # which process a pid is: n0, n1, n2 or driver
    local line
    line=$(tr '\0' ' ' <"/proc/$1/cmdline")
    line=${line##*io.cistern.server.Main }
    case $line in
    driver*) echo driver ;;
    *) grep -l "^$1 " "$cistern_home"/run/*.pid 2>/dev/null | sed 's/.*\///; s/\.pid//' | grep . || echo "$1" ;;
    esac
}

up_cistern || exit 1
apis=$(cistern status -o json | jq -r '.nodes[].api')
for pid in $(pids_cistern); do echo "$pid is $(role "$pid")"; done
# shellcheck disable=SC2046
fio --name=fill --rw=write --bs=1m --iodepth=8 --size="${SIZE}g" $(fio_cistern) --output-format=json 2>/dev/null | sed -n '/^{/,$p' |
    jq -r '"fill: \(.jobs[0].write.bw_bytes / 1e6 | round) MB/s"'
if ((WARM > 0)); then
    # shellcheck disable=SC2046
    fio --name=warm $(cell_options rw4k-q32) $(fio_cistern) --size="${SIZE}g" --time_based --runtime="$WARM" >/dev/null 2>&1
fi
if [ -n "${JFR:-}" ]; then
    for pid in $(pids_cistern); do "$jcmd" "$pid" JFR.start name=p settings=profile jdk.FileForce#threshold=3ms jdk.FileWrite#threshold=5ms jdk.ThreadPark#threshold=10000ms >/dev/null; done
fi
for cell in "$@"; do
    # shellcheck disable=SC2046
    fio --name="$cell" $(cell_options "$cell") $(fio_cistern) --size="${SIZE}g" --time_based --runtime=$((RUNTIME + RAMP)) --ramp_time=0 \
        --randrepeat=0 --norandommap --lat_percentiles=1 --clat_percentiles=0 --output-format=json >"$work/fio.json.raw" 2>/dev/null &
    load=$!
    sleep "$RAMP"
    threads >"$work/before"; d0=$(device_bytes) f0=$(fsyncs) n0=$(date +%s%N)
    sleep $((RUNTIME - 1))
    threads >"$work/after"; d1=$(device_bytes) f1=$(fsyncs) n1=$(date +%s%N)
    wait "$load"
    sed -n '/^{/,$p' "$work/fio.json.raw" >"$work/fio.json"
    jq -r --arg c "$cell" --argjson d $((d1 - d0)) --argjson f $((f1 - f0)) --argjson ns $((n1 - n0)) '
        .jobs[0] as $j | (if $j.write.iops > $j.read.iops then $j.write else $j.read end) as $w | ($ns / 1e9) as $s
        | "== \($c): \($w.iops | round) IOPS  \($w.bw_bytes / 1e6 | round) MB/s  p50 \($w.lat_ns.percentile["50.000000"] / 1000 | round) us  p99 \($w.lat_ns.percentile["99.000000"] / 1000 | round) us  client \(($j.usr_cpu + $j.sys_cpu) | round)%  device bytes per byte \(($d / $s) / ([$w.bw_bytes, 1] | max) * 100 | round / 100)  fsyncs/request/replica \($f / $s / $w.iops / 3 * 1000 | round / 1000)"' "$work/fio.json"
    iops=$(jq '.jobs[0] | [.read.iops, .write.iops] | add' "$work/fio.json")
    awk -F'\t' -v iops="$iops" -v s="$(((n1 - n0) / 1000000))" -v top="$TOP" '
        NR == FNR { t[$1, $2] = $4; w[$1, $2] = $5; next }
        { dt = $4 - t[$1, $2]; dw = $5 - w[$1, $2]; total[$1] += dt; k = $1 "\t" $3; ticks[k] += dt; switches[k] += dw; sw[$1] += dw }
        END { n = iops * s / 1000; if (n <= 0) n = 1
            for (p in total) printf "   %-8s %6.1f%% of a core  %7.1f us/request  %6.2f switches/request\n", p, total[p] * 1000 / s, total[p] * 10000 / n, sw[p] / n
            for (k in ticks) if (ticks[k] > 0) { split(k, a, "\t"); printf "%s\t      %-8s %-16s %7.1f us/request %6.2f switches\n", ticks[k] * 10000 / n, a[1], a[2], ticks[k] * 10000 / n, switches[k] / n | "sort -rn | head -n " top " | cut -f2-" } }' \
        "$work/before" "$work/after"
done
if [ -n "${JFR:-}" ]; then
    for pid in $(pids_cistern); do "$jcmd" "$pid" JFR.dump name=p filename="$OUT/$(role "$pid").jfr" >/dev/null; done
    echo "recordings: $OUT"
fi
