#!/usr/bin/env bash
# A rolling upgrade from an earlier release, under load, node by node; first one node's way there and back.
#
#   OLD=REVISION benchmarks/upgrade.sh        or OLD_BUILD=DIRECTORY of a checkout that is built        SIZE=64 (MiB a round writes)
#
# OLD is cloned from this repository and built beside it. Three nodes and a driver of the old build are started; fio writes every block
# of a volume through NBD in random order, reads it back and compares it, again and again until the end: one wrong byte, or one I/O error,
# fails the run. Then, each time by SIGTERM and a start of the other build on the same disks:
#   1. the first node goes to the new build and back to the old one: while a node is older the way back is open;
#   2. all nodes go to the new build, one after the other. While the releases are mixed, led by an older node and by newer ones, a snapshot
#      is taken, a volume is attached, written, read and detached, then written over iSCSI and read through another node's portal, and
#      everything is verified; where the old build knows no witnesses (below level 1), one is refused with the reason;
#   3. with the last node the format level rises to the newest. All is verified, a witness joins, and a node of the old build is refused by
#      its disk, where that is of a lower level.
# Printed are the steps, and the longest time that a request took. Needs fio, jq, git, qemu-io and QEMU's iSCSI driver (Debian: qemu-block-extra).
# Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SIZE=${SIZE:-64}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-upgrade.XXXXXX")
home=$work/home
new=$here/../cistern
old=${OLD_BUILD:+$OLD_BUILD/cistern}
load=
api=() # of the nodes, in the order of their names

cleanup() {
    trap '' INT TERM # a second signal must not leave anything behind
    touch "$work/stop"
    [ -n "$load" ] && wait "$load"
    "$new" --home "$home" detach bench >/dev/null 2>&1
    "$new" --home "$home" stop >/dev/null 2>&1
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
    echo "upgrade.sh: $*" >&2
    for log in "$home"/*/node.log; do
        [ -e "$log" ] && { echo "--- $log" && grep -E 'WARN|ERROR' "$log" | tail -n 15; } >&2
    done
    exit 1
}
say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
cistern() { "$new" --home "$home" "$@"; }
status() { cistern status -o json 2>/dev/null | jq -r "$1"; }
healthy() {
    local end=$((SECONDS + 120))
    until [ "$(status .health)" = OK ]; do
        ((SECONDS < end)) || { cistern status >&2; fail "the cluster is not healthy after 120 s"; }
        sleep 0.3
    done
}
mend_load() { [ ! -e "$work/failed" ] || fail "the load failed: $(cat "$work/failed")"; }

# Writes all blocks, reads them, compares; until told to stop.
run_load() {
    local round=0
    while [ ! -e "$work/stop" ]; do
        round=$((round + 1))
        fio --name=load --ioengine=nbd --uri="nbd+unix:///?socket=$work/bench.sock" --rw=randwrite --bs=4k --iodepth=8 --size="${SIZE}m" \
            --randrepeat=0 --rate_iops=1500,2000 --verify=crc32c --verify_fatal=1 --do_verify=1 \
            --output-format=json --output="$work/load.json" >"$work/load.out" 2>&1 ||
            { tail -c 600 "$work/load.out" "$work/load.json" >"$work/failed"; return 1; }
        sed -n '/^{/,$p' "$work/load.json" | jq -r '.jobs[0] | "\(.error) \(.write.total_ios) \(.read.total_ios) \(.write.clat_ns.max) \(.read.clat_ns.max)"' >>"$work/rounds"
    done
}

stop_node() { # stop_node NAME: by SIGTERM, as a service manager does
    local pid end=$((SECONDS + 60))
    pid=$(status ".nodes[] | select(.name == \"$1\") | .pid")
    [ "${pid:-0}" -gt 0 ] || fail "node $1 does not run"
    kill -TERM "$pid" || fail "node $1 cannot be stopped"
    while [ -e "/proc/$pid" ] && [ "$(awk '{ print $3 }' "/proc/$pid/stat" 2>/dev/null)" != Z ]; do
        ((SECONDS < end)) || fail "node $1 does not stop"
        sleep 0.1
    done
}
move() { # move NAME BUILD WORD: stops a node and starts what is on its disk with another build
    stop_node "$1"
    "$2" --home "$home" start --processes >"$work/start.log" 2>&1 || { cat "$work/start.log" >&2; fail "node $1 does not start with the $3 build"; }
    healthy
    mend_load
    say "$1 runs the $3 build; level $(cistern --api "${api[0]}" status -o json | jq '.level')"
}
use() { # use API STEP: what users and administrators do, through one node
    local at=(--api "$1")
    cistern "${at[@]}" snapshot create "bench@$2" >/dev/null || fail "no snapshot through $1"
    cistern "${at[@]}" clone "bench@$2" "clone-$2" >/dev/null || fail "no clone through $1"
    cistern attach other --socket "$work/other.sock" >/dev/null || fail "no attach"
    qemu-io -f raw -c 'write -P 7 0 1M' -c 'read -P 7 0 1M' "nbd+unix:///?socket=$work/other.sock" >"$work/qemu-io.out" 2>&1 ||
        fail "the volume that was attached fails: $(cat "$work/qemu-io.out")"
    cistern detach other >/dev/null || fail "no detach"
    # Over iSCSI: written through one node, read through the next.
    mapfile -t portals < <(cistern "${at[@]}" status -o json | jq -r '.nodes[].iscsi // empty' | sed 's/,.*//')
    target=iqn.2026-11.io.cistern:exported
    for p in "${!portals[@]}"; do
        next=${portals[$(((p + 1) % ${#portals[@]}))]}
        qemu-io -f raw -c "write -P $((p + 1)) ${p}M 1M" "iscsi://${portals[p]}/$target/0" >"$work/qemu-io.out" 2>&1 &&
            qemu-io -f raw -c "read -P $((p + 1)) ${p}M 1M" "iscsi://$next/$target/0" >>"$work/qemu-io.out" 2>&1 &&
            ! grep -q 'Pattern verification failed' "$work/qemu-io.out" || fail "over iSCSI, ${portals[p]} and $next: $(cat "$work/qemu-io.out")"
    done
    cistern "${at[@]}" verify >"$work/verify.out" 2>"$work/verify.err" || fail "verify: $(cat "$work/verify.out" "$work/verify.err")"
    say "through $1: $(tr '\n' ';' <"$work/verify.out")"
    mend_load
}
witness() { cistern node add --witness --name w --join "$(cistern --api "$1" node token)" >"$work/witness.out" 2>&1; }

if [ -z "$old" ]; then
    git -C "$here/.." rev-parse -q --verify "${OLD:?a revision, as OLD=v1.0}^{commit}" >/dev/null || fail "there is no revision $OLD"
    git clone -q --shared --no-checkout "$here/.." "$work/old" && git -C "$work/old" checkout -q "$OLD" || fail "cannot clone $OLD"
    CISTERN_TRAIN=0 "$work/old/cistern" --build || fail "the build of $OLD failed"
    old=$work/old/cistern
fi
"$new" --build || exit 1

"$old" --home "$home" start --processes >"$work/start.log" 2>&1 || { cat "$work/start.log" >&2; fail "the old build does not start"; }
"$old" --home "$home" volume create bench 1GiB >/dev/null && "$old" --home "$home" volume create other 1GiB >/dev/null &&
    "$old" --home "$home" volume create exported 64MiB >/dev/null && "$old" --home "$home" iscsi export exported >/dev/null &&
    "$old" --home "$home" attach bench --socket "$work/bench.sock" >/dev/null || fail "no volume"
knew=$("$old" --home "$home" status -o json | jq '[.nodes[].level // 0] | max') # the newest level that the old build knows
mapfile -t api < <("$old" --home "$home" status -o json | jq -r '.nodes[].api')
run_load &
load=$!
say "three nodes and a driver of the old build, which knows levels up to $knew; load runs"

move n0 "$new" new
use "${api[0]}" there
move n0 "$old" old
use "${api[0]}" back
cistern --api "${api[0]}" volume delete clone-back >/dev/null || fail "no deletion"
for k in 0 1 2; do
    move "n$k" "$new" new
    ((k == 2)) && break
    cistern --api "${api[0]}" status | grep 'older' || fail "status does not say that nodes are older"
    if ((k == 1)); then
        # The one that has not been restarted leads everything by now; what a newer leader writes must be read by older followers too.
        move n2 "$old" old
        leaders=$(status '[.groups[].leader] | unique | join(", ")')
        [[ $leaders != *n2* ]] || fail "n2 leads again"
        say "of the groups lead $leaders"
    fi
    use "${api[k]}" "mixed$k"
    ((k > 0 || knew > 0)) || { witness "${api[0]}" && fail "a witness has joined beside older nodes"; say "a witness: $(grep -o 'cannot join.*' "$work/witness.out" | head -n 1)"; }
done
end=$((SECONDS + 30))
newest=$(status '[.nodes[].level // 0] | max')
until [ "$(status .level)" = "$newest" ]; do
    ((SECONDS < end)) || fail "the level was not raised to $newest"
    sleep 0.3
done
say "the cluster is at level $(status .level)"
use "${api[1]}" upgraded
grep -q 'all replicas agree' "$work/verify.out" || fail "not everything was compared"
if ((newest > knew)); then
    stop_node n1
    "$old" --home "$home" start --processes --timeout 30 >"$work/start.log" 2>&1 && fail "a node of the old build runs in the upgraded cluster"
    say "n1 with the old build: $(tail -n 1 "$work/start.log" | cut -c 1-300)"
    cistern start --processes >"$work/start.log" 2>&1 || { cat "$work/start.log" >&2; fail "n1 does not come back"; }
    healthy
fi
witness "${api[0]}" || fail "no witness joins: $(cat "$work/witness.out")"
healthy
use "${api[2]}" end
touch "$work/stop"
wait "$load"
load=
mend_load
awk '$1 != 0 { bad++ } { w += $2; r += $3; if ($4 > most) most = $4; if ($5 > most) most = $5 }
    END { printf "%d rounds, %d writes, %d reads compared, %d failed; longest request %.0f ms\n", NR, w, r, bad, most / 1e6; exit bad > 0 || NR < 5 }' "$work/rounds" || exit 1
