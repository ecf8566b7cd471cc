#!/usr/bin/env bash
# cistern demo: the main job from start to finish on this machine, then a summary.
#
# Starts three node processes, imports a small Debian disk into a replicated volume, boots it in QEMU, kills
# the leading node under verified writes, brings it back, takes a snapshot, wrecks the guest's disk, rolls
# back, verifies, clones twice and runs a clone beside its parent. About three minutes; the first run also
# builds the disk. All it starts ends with it, also after a failure or Ctrl-C.
#
#   cistern demo [--keep]        --keep leaves the data directory behind, stopped
#
# Environment: TMPDIR (default /var/tmp) holds the data, 6 GiB free; CISTERN_DEMO_ACCEL=tcg|kvm;
# CISTERN_DEBIAN_MIRROR as for build-disk.sh; NO_COLOR.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CISTERN=${CISTERN_LAUNCHER:-$(cd "$HERE/../.." && pwd)/cistern}
KEEP=0
case ${1:-} in
    "") ;;
    --keep) KEEP=1 ;;
    -h | --help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "demo: unknown argument $1 (see cistern demo --help)" >&2; exit 2 ;;
esac

BASE=$(realpath "${TMPDIR:-/var/tmp}")
WORK=$(mktemp -d "$BASE/cistern-demo.XXXXXX")
LOG=$WORK.log
CISTERN_HOME=$WORK/home
export BASE WORK LOG CISTERN CISTERN_HOME
: > "$LOG"
# shellcheck source=lib.sh
source "$HERE/lib.sh"

# Ends what is left of the steps: by process id, and only processes that name this demo's directory.
cleanup() {
    local status=$? pid
    trap '' INT TERM HUP
    set +e
    if [ "$status" != 0 ]; then printf '\n    stopping everything …\n'; fi
    if [ -n "${STEPS:-}" ]; then
        kill -KILL "$STEPS" 2>/dev/null
        wait "$STEPS" 2>/dev/null
    fi
    for pid in $(processes_of "$WORK/guest-") $(processes_of "WORK=$WORK"); do
        belongs_to "$pid" "node run" || kill -TERM "$pid" 2>/dev/null
    done
    if [ -n "$(processes_of "$CISTERN_HOME")" ]; then
        printf '$ cistern stop\n' >> "$LOG"
        timeout 30 "$CISTERN" stop >> "$LOG" 2>&1
    fi
    for pid in 1 2 3 4 5 6 7 8 9 10; do
        [ -z "$(processes_of "$WORK")" ] || sleep 0.3
    done
    for pid in $(processes_of "$WORK"); do
        echo "process $pid had to be killed" >> "$LOG"
        kill -KILL "$pid" 2>/dev/null
    done
    if [ "$status" != 0 ]; then
        find "$WORK" -name '*.log' -type f 2>/dev/null | while read -r file; do
            printf '\n----- the end of %s\n' "$file"; tail -n 200 "$file"
        done >> "$LOG"
        for file in "$WORK"/guest-*/console; do
            [ ! -f "$file" ] || { printf '\n----- the end of %s\n' "$file"; tr -d '\r' < "$file" | tail -n 100; }
        done >> "$LOG"
        printf '    %sThe demo did not finish.%s Details: %s\n' "$RED" "$PLAIN" "$LOG"
    fi
    if [ "$KEEP" = 1 ]; then echo "    data kept in $WORK"; else rm -rf --one-file-system "$WORK"; fi
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

bash "$HERE/steps.sh" </dev/null &
STEPS=$!
wait "$STEPS"
STEPS=
