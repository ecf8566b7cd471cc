#!/usr/bin/env bash
# The vhost-user transport beside NBD, on the same machine in the same run.
#
#   benchmarks/vhost.sh [memory] [volume]     default: both        SECS=3 ROUNDS=3 (volume: turns of each load, medians)
#   LOADS='randread-4k-.*'   only these                       JFR=FILE   a flight recording of the driver during them
#   FRONT=OPTIONS    for the JVM of the front end, as -XX:TieredStopAtLevel=1; FRONT=c: also from a front end in C, compiled by cc
#   THREADS=1    CPU ticks and context switches of each thread of the driver over the volume runs
#
# memory: over a device in memory, each server a process of its own. volume: three node processes and one driver with a volume on
# each transport, both led by the same node, filled with data. One queue; vhost-user is driven by a front end that plays QEMU and guest (in Java; in
# C there is no compiler at work on the same processors), NBD by fio.
# "server CPU" is that of the driver's process for each request. Needs fio, jq and the modules compiled (mvn test-compile).
# Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SECS=${SECS:-3} ROUNDS=${ROUNDS:-3}
(($#)) || set -- memory volume
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-vhost.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
SIZE=1
home=$("$here/../cistern" --jdk-home)
trap 'trap "" INT TERM; down_cistern; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
if [ "${FRONT:-}" = c ]; then
    cc -O2 -Wall -o "$work/vhost_load" "$here/src/main/c/vhost_load.c" || exit 1
    FRONT=-Dfront=$work/vhost_load
fi
jars=$(readlink -f "$here/../.cistern-build/current")/lib
threads() { # id, name, ticks, switches of each thread
    local task
    for task in /proc/"$1"/task/*; do
        printf '%s\t%s\t%s\t%s\n' "${task##*/}" "$(<"$task/comm")" "$(sed 's/.*) //' "$task/stat" | awk '{ print $12 + $13 }')" \
            "$(awk '/ctxt_switches/ { s += $2 } END { print s }' "$task/status")"
    done
}
bench() {
    # shellcheck disable=SC2086 # FRONT is a list of words
    "$home/bin/java" --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -XX:+UseSerialGC -Xmx1g -Dloads="${LOADS:-.*}" ${FRONT:-} \
        -cp "$here/target/classes:$(printf '%s:' "$jars"/raft-*.jar "$jars"/*.jar)" io.cistern.bench.VhostBench "$@"
}

up_volumes() { # volume "bench" over NBD, another over vhost-user, of one group; both hold data
    [ -n "${driver:-}" ] && return
    up_cistern || exit 1
    # Both volumes in one group: one node leads both.
    group=$(cistern volume show bench -o json | jq -r .group)
    for try in 1 2 3 4 5 6 7 8; do
        cistern volume create "fast$try" "${SIZE}GiB" >/dev/null || exit 1
        [ "$(cistern volume show "fast$try" -o json | jq -r .group)" = "$group" ] && break
    done
    cistern attach "fast$try" --transport vhost-user --socket "$work/fast.sock" >/dev/null || exit 1
    # shellcheck disable=SC2046
    fio --name=fill --rw=write --bs=1m --iodepth=8 --size=512m $(fio_cistern) >/dev/null 2>&1
    driver=$(pgrep -f "driver --home $cistern_home" | while read -r p; do [[ $(readlink "/proc/$p/exe") == */java ]] && echo "$p"; done)
}
for what in "$@"; do
    case $what in
    memory) bench "$SECS" ;;
    volume)
        up_volumes
        [ -n "${JFR:-}" ] && "$home/bin/jcmd" "$driver" JFR.start name=p settings=profile >/dev/null
        [ -n "${THREADS:-}" ] && threads "$driver" >"$work/before"
        bench volume "$work/fast.sock" "$work/bench.sock" "$driver" "$SECS" "$ROUNDS"
        [ -n "${THREADS:-}" ] && threads "$driver" | awk -F'\t' 'NR == FNR { t[$1] = $3; w[$1] = $4; next } $3 > t[$1] { print $2 "\t" $3 - t[$1] "\t" $4 - w[$1] }' "$work/before" - | sort -t$'\t' -k2 -rn | head -n 20
        [ -n "${JFR:-}" ] && "$home/bin/jcmd" "$driver" JFR.dump name=p filename="$JFR" >/dev/null
        ;;
    *) echo "vhost.sh: memory or volume, not '$what'" >&2; exit 2 ;;
    esac
done
