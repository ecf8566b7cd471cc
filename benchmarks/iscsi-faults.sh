#!/usr/bin/env bash
# libiscsi's conformance suites at the portals of three node processes while one of them is killed (SIGKILL) and started again,
# over and over. Each test is a process of its own with two portals.
#
#   benchmarks/iscsi-faults.sh [other] [leader] [calm]          default: all three, one after another
#     other   what is killed neither leads the volume's group nor is one of the portals
#     leader  the node that leads the volume's group is killed; the portals are the other two
#     calm    nothing is killed; the portals are the two nodes that do not lead
#   TESTS='.' SKIP='' (regular expressions over names like SCSI.Read10.Simple) BLOCKS=512 LIMIT=0 (seconds for each, 0: none)
#   TOOL=iscsi-test-cu (another build of it) WRONG=... (tests of it that are wrong) OUT=benchmarks/target/iscsi-faults
#
# Prints every test that failed and a line of counts for each; exits with 1 if any failed. A test during which a node was killed,
# away or coming back counts as disturbed. OUT/MODE/results.tsv has one line per test, OUT/MODE/TEST.txt what it printed.
# In a network namespace of its own; ends what it started. Needs root, libiscsi-bin (Debian), jq, curl.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export TESTS=${TESTS:-.} SKIP=${SKIP:-} BLOCKS=${BLOCKS:-512} LIMIT=${LIMIT:-0} TOOL=${TOOL:-iscsi-test-cu}
export OUT=${OUT:-$here/target/iscsi-faults}
# Wrong in libiscsi 1.19, as docs/protocol/iscsi.md shows.
[ "$BLOCKS" = 512 ] && wrong='SCSI.GetLBAStatus.UnmapSingle' || wrong='SCSI.WriteAtomic16.Simple'
export WRONG=${WRONG-"^(iSCSI.iSCSITMF.LUNResetSimpleAsync|$wrong)\$"}
(($#)) || set -- other leader calm
if [ -z "${ISCSI_INSIDE:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "iscsi-faults.sh: needs root, for a namespace of its own" >&2; exit 1; }
    [ -n "${CISTERN_NO_BUILD:-}" ] || "$here/../cistern" --build || exit 1
    ISCSI_INSIDE=1 exec unshare --net bash -c 'ip link set lo up && exec "$@"' sh "${BASH_SOURCE[0]}" "$@"
fi
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-iscsi-faults.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
killer=
cleanup() {
    trap '' INT TERM # a second signal must not leave anything behind
    stop_killer
    down_cistern
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

status() { cistern status -o json 2>/dev/null; }
healthy() {
    local end=$((SECONDS + 120))
    until [ "$(status | jq -r .health)" = OK ]; do
        ((SECONDS < end)) || { echo "iscsi-faults.sh: not healthy after 120 s" >&2; cistern status >&2; return 1; }
    done
}
fresh_volume() { # another one: what a test that failed has left behind is not the next one's
    local n=$(($(cat "$work/n" 2>/dev/null || echo 0) + 1))
    echo "$n" >"$work/n"
    [ "$n" = 1 ] || cistern iscsi unexport "suite$((n - 1))" >/dev/null 2>&1
    cistern volume create "suite$n" 256MiB >/dev/null && cistern iscsi export "suite$n" --block-size "$BLOCKS" >/dev/null || return 1
    echo "suite$n" >"$work/volume"
}
choose() { # choose MODE: sets the portals, and who is to be killed
    local state leader names
    state=$(status) && leader=$(jq -r --arg v "$(cat "$work/volume")" '.volumes[] | select(.name == $v).leader // empty' <<<"$state")
    [ -n "$leader" ] || return 1
    mapfile -t names < <(jq -r --arg l "$leader" '.nodes[] | select(.name != $l).name' <<<"$state" | shuf)
    case $1 in
    other) set -- "$leader" "${names[0]}" "${names[1]}" ;;
    *) set -- "${names[0]}" "${names[1]}" "$leader" ;;
    esac
    for node in "$1" "$2"; do
        jq -r --arg n "$node" '.nodes[] | select(.name == $n).iscsi' <<<"$state" | sed 's/,.*//'
    done >"$work/portals"
    jq -r --arg n "$3" '.nodes[] | select(.name == $n).pid' <<<"$state" >"$work/victim"
}
kill_again_and_again() { # kill_again_and_again MODE: tests and choices exclude each other
    while true; do
        touch "$work/wanted"
        exec 8>"$work/lock"
        flock -x 8
        choose "$1"
        rm -f "$work/wanted"
        exec 8>&-
        sleep "0.$((RANDOM % 9))"
        date +%s%3N >"$work/since"
        kill -KILL "$(cat "$work/victim")"
        echo kill >>"$work/kills"
        sleep "1.$((RANDOM % 9))"
        cistern start --processes >>"$work/restarts.log" 2>&1
        healthy || return 1
        date +%s%3N >"$work/until"
        rm -f "$work/since"
    done
}
stop_killer() {
    [ -z "$killer" ] || { kill "$killer" 2>/dev/null; wait "$killer" 2>/dev/null; }
    killer=
}
verdict() { # verdict FILE
    if ! tr -s ' ' <"$1" | grep -qE '^ *tests [0-9]+ 1 [0-9]+ 0 '; then echo failed
    elif grep -qE '\[SKIPPED\]|is not implemented' "$1"; then echo skipped
    else echo passed; fi
}
run() { # run MODE
    local mode=$1 dir=$OUT/$1 test started result disturbed end=$((SECONDS + LIMIT)) first second
    mkdir -p "$dir" && : >"$dir/results.tsv" && : >"$work/kills"
    rm -f "$work/since" "$work/until" "$work/wanted" "$work/lock"
    fresh_volume && healthy && choose "$mode" || return 1
    if [ "$mode" != calm ]; then
        kill_again_and_again "$mode" 9>&- &
        killer=$!
    fi
    for test in $("$TOOL" -l | grep -oE '(SCSI|iSCSI)\.[A-Za-z0-9_]+\.[A-Za-z0-9_-]+' | sort -u | grep -E -- "$TESTS" | grep -vE -- "${WRONG:-^\$}" |
        grep -vE -- "${SKIP:-^\$}" | awk '$0 == "SCSI.MultipathIO.CompareAndWrite" { first = $0; next } { all = all "\n" $0 } END { print first all }'); do
        ((LIMIT == 0 || SECONDS < end)) || { echo "$mode: stopped before $test, after $LIMIT s"; break; }
        while [ -e "$work/wanted" ]; do sleep 0.05; done
        exec 9>"$work/lock"
        flock -s 9
        { read -r first && read -r second; } <"$work/portals"
        started=$(date +%s%3N)
        timeout 120 "$TOOL" -d -S -n -t "$test" "iscsi://$first/iqn.2026-11.io.cistern:$(cat "$work/volume")/0" \
            "iscsi://$second/iqn.2026-11.io.cistern:$(cat "$work/volume")/0" >"$dir/$test.txt" 2>&1 9>&-
        exec 9>&-
        disturbed=
        { [ -e "$work/since" ] || [ "$(cat "$work/until" 2>/dev/null || echo 0)" -ge "$started" ]; } && disturbed=disturbed
        result=$(verdict "$dir/$test.txt")
        printf '%s\t%s\t%s\t%s\n' "$test" "$result" "$(($(date +%s%3N) - started))" "$disturbed" >>"$dir/results.tsv"
        if [ "$result" = failed ]; then
            echo "$mode: $test failed: $(grep -m 1 -E '\[FAILED\]|Timeout|error' "$dir/$test.txt")"
            fresh_volume || return 1
        fi
        [ -z "$killer" ] || kill -0 "$killer" 2>/dev/null || { echo "$mode: a killed node did not come back" >&2; return 1; }
    done
    stop_killer
    awk -F'\t' -v mode="$mode" -v kills="$(wc -l <"$work/kills")" '{ n[$2]++; d += $4 != ""; all++ }
        END { printf "%s: %d tests, %d passed, %d skipped, %d failed; %d kills, %d tests disturbed\n", mode, all, n["passed"], n["skipped"],
            n["failed"], kills, d; exit n["failed"] > 0 }' "$dir/results.tsv"
    result=$?
    cistern start --processes >>"$work/restarts.log" 2>&1
    return $result
}

cistern start --processes >"$work/start.log" 2>&1 || { cat "$work/start.log" >&2; exit 1; }
failed=0
for mode in "$@"; do run "$mode" || failed=1; done
exit $failed
