#!/usr/bin/env bash
# What a node costs that has nothing to do: time to start, processor time and memory, with some volumes.
#
#   benchmarks/idle.sh          VOLUMES=100 SETTLE=30 SECONDS_EACH=30
#
# Three node processes. Prints the time of `cistern start --processes` until the cluster answers, and for each node and each count of
# volumes its processor time in percent of a core, over SECONDS_EACH after SETTLE seconds of rest, and its resident memory. Needs jq.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VOLUMES=${VOLUMES:-100} SETTLE=${SETTLE:-30} SECONDS_EACH=${SECONDS_EACH:-30}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-idle.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
trap 'trap "" INT TERM; cistern stop >/dev/null 2>&1; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

began=$(date +%s%N)
cistern start --processes >"$work/start.log" 2>&1 || { cat "$work/start.log" >&2; exit 1; }
echo "start of three nodes: $((($(date +%s%N) - began) / 1000000)) ms"
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
hz=$(getconf CLK_TCK)
look() { # look COUNT
    local pid before after
    declare -A before
    sleep "$SETTLE"
    for pid in $pids; do before[$pid]=$(ticks "$pid"); done
    sleep "$SECONDS_EACH"
    for pid in $pids; do
        after=$(ticks "$pid")
        echo "$1 volumes, node $(tr '\0' ' ' <"/proc/$pid/cmdline" | sed 's/.*\/\(n[0-9]*\)\/node.toml.*/\1/'):" \
            "$(awk -v t=$((after - before[$pid])) -v s="$SECONDS_EACH" -v hz="$hz" 'BEGIN { printf "%.1f", t * 100 / hz / s }') % of a core," \
            "$(awk '/^VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$pid/status") MiB"
    done
}
pids=$(pids_cistern)
look 0
for ((i = 0; i < VOLUMES; i++)); do echo "v$i"; done | xargs -n 1 -P 2 bash -c '"$0" --home "$1" volume create "$2" 10GiB >/dev/null' "$here/../cistern" "$cistern_home" ||
    exit 1
look "$VOLUMES"
