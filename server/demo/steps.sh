# The steps of the demo, in order. Run by demo.sh, which cleans up behind it whatever happens.
# Expects WORK, LOG, CISTERN, CISTERN_HOME and BASE in its environment.
# shellcheck shell=bash
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PAUSE=$WORK/pause            # a pipe that nobody writes to: reading it with a time-out is a pause
mkfifo "$PAUSE"
# shellcheck source=lib.sh
source "$HERE/lib.sh"
STARTED_MS=$(now_ms)

# --- the cluster, as any script would use it -------------------------------------------------------
cistern() { printf '$ cistern %s\n' "$*" >> "$LOG"; "$CISTERN" "$@" 2>> "$LOG"; }

# cli WHAT ARGS...: a cistern command that must succeed, its output in the log
cli() {
    local what=$1 out; shift
    out=$(mktemp -p "$WORK")
    cistern "$@" > "$out" || { cat "$out" >> "$LOG"; fail "$what: $(tail -n 1 "$LOG")"; }
    cat "$out" >> "$LOG"
    cat "$out"
}

# The cluster's status as JSON, as a script gets it.
status_json() { "$CISTERN" status -o json 2>> "$LOG"; }

# The same from the REST API, for asking often.
poll_status() {
    local k
    for k in 0 1 2; do
        curl -sSf --max-time 5 "http://127.0.0.1:$((PORT + 100 * k))/v1/status" 2>> "$LOG" && return 0
    done
    return 1
}

healthy() { [ "$(poll_status | tee -a "$LOG" | jq -r .health)" = OK ]; }

# api METHOD PATH [BODY]: a REST request to a node that lives; the answer's body goes to the log, the time it took
# to API_MS (the command line's own start-up would hide it)
api() {
    local k out took body=$WORK/answer
    for k in 0 1 2; do
        out=$(curl -sS -o "$body" -X "$1" ${3:+-H 'Content-Type: application/json' -d "$3"} \
            -w '%{http_code} %{time_total}' "http://127.0.0.1:$((PORT + 100 * k))$2" 2>> "$LOG") || continue
        { printf '%s %s %s -> %s: ' "$1" "$2" "${3:-}" "$out"; head -c 2000 "$body"; echo; } >> "$LOG"
        took=${out#* }
        API_MS=$(awk -v s="$took" 'BEGIN { printf "%.1f", s * 1000 }')
        case $out in 2*) return 0 ;; *) return 1 ;; esac
    done
    return 1
}

# metric NODE NAME: a number of a node's metrics page, summed over its labels, without its fraction
metric() {
    curl -sS "http://127.0.0.1:$((PORT + 100 * $1))/metrics" 2>> "$LOG" |
        awk -v name="$2" '$1 ~ "^" name "([{]|$)" { sum += $NF; found = 1 } END { if (!found) exit 1; printf "%.0f\n", sum }'
}

# boot NAME SOCKET: powers a guest on and waits for its system; BOOT_MS is how long that took
boot() {
    local begin
    begin=$(now_ms)
    start_guest "$1" "$2"
    wait_guest "$1" 90 > /dev/null || fail "the guest $1 did not come up (its console is in the log)"
    BOOT_MS=$(($(now_ms) - begin))
}

# attach VOLUME: sets SOCKET to the socket behind which the volume answers
attach() {
    SOCKET=$WORK/$1.sock
    cli "cannot attach $1" attach "$1" --socket "$SOCKET" > /dev/null
    [ -S "$SOCKET" ] || fail "attach $1 returned, but there is no socket $SOCKET"
}

# errors_in_guest NAME: lines of the guest's kernel log that speak of trouble with its disk
errors_in_guest() {
    in_guest "$1" 20 "dmesg | grep -iE 'I/O error|blk_update_request|EXT4-fs (error|warning)|Buffer I/O|remount.*read-only|Aborting journal' | head -5; true"
}

# fio's verified writes: every block carries its own CRC32C, which the same job reads back and checks.
FIO="fio --name=load --filename=/srv/load/data --size=32m --bs=4k --rw=randwrite --ioengine=libaio --direct=1 --iodepth=8 --verify=crc32c --verify_fatal=1"

# --- the demo ----------------------------------------------------------------------------------------
printf '%sCistern demo%s: three storage nodes, a Debian guest, one lost node, one wrecked disk\n' "$BOLD" "$PLAIN"
printf '%sEverything runs on this machine under %s and is removed at the end. Details: %s%s\n' "$DIM" "$WORK" "$LOG" "$PLAIN"
printf '%s %s\n' "$(date -u)" "$(uname -a)" >> "$LOG"

step "Look at this machine" "QEMU and the tools that build a Debian disk come from this system's packages."
LACK=$("$HERE/build-disk.sh" --check) || { note "$LACK"; note "installing with apt-get"; }
logged "$HERE/build-disk.sh" --install || fail "$(tail -n 1 "$LOG")"
FREE_MIB=$(df -Pm "$BASE" | awk 'NR == 2 { print $4 }')
[ "$FREE_MIB" -ge 6144 ] || fail "$BASE has $FREE_MIB MiB free, the demo wants 6144: set TMPDIR to a larger place"
ACCEL=${CISTERN_DEMO_ACCEL:-$(accelerator)}
case $ACCEL in kvm | tcg) ;; *) fail "CISTERN_DEMO_ACCEL is '$ACCEL', not kvm or tcg" ;; esac
[ "$ACCEL" = kvm ] && HOW="KVM" || HOW="emulated processor: no usable KVM here"
ok "$(nproc) cores, $(awk '/MemAvailable/ { printf "%d", $2 / 1048576 }' /proc/meminfo) GiB of memory free; $(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p') ($HOW)"

step "Build the guest's root disk" "Debian 12 with its own kernel, boot loader, systemd and fio. Kept for the next time."
DISK=$WORK/debian.img
logged "$HERE/build-disk.sh" "$DISK" || fail "$(tail -n 1 "$LOG")"
ok "$(bytes "$(stat -c %s "$DISK")") raw image, $(bytes $(($(stat -c '%b * %B' "$DISK")))) of it used"

step "Start three storage nodes" "Three processes on this machine; what a majority of them has on disk is what counts as written."
PORT=$(free_port_base) || fail "found no range of free ports"
CISTERN_API=http://127.0.0.1:$PORT,http://127.0.0.1:$((PORT + 100)),http://127.0.0.1:$((PORT + 200))
CISTERN_NO_BUILD=1           # the launcher has built what runs here
export CISTERN_API CISTERN_NO_BUILD
cli "the cluster did not start" start --processes --port-base "$PORT" > /dev/null
[ "$(status_json | jq '[.nodes[].pid | select(. > 0)] | unique | length')" = 3 ] || fail "cistern status does not show three processes"
ok "nodes $(status_json | jq -r '[.nodes[] | "\(.name) (process \(.pid))"] | join(", ")')"
within 30 healthy || fail "the cluster is not healthy: see cistern status in the log"

step "Import the disk into a volume" "The volume is thin: only what the image holds is stored, three times."
cli "the import failed" volume import root "$DISK" > /dev/null
ok "volume root, replicated 3 times, every block with its checksum"
rm -f "$DISK"

step "Boot the guest from the volume" "The guest's only disk is the volume: boot sector, GRUB, kernel and system all come from it."
attach root
ok "attached at $SOCKET"
boot guest "$SOCKET"
FIRST_BOOT_MS=$BOOT_MS
ok "$(in_guest guest 20 'echo "Debian $(cat /etc/debian_version), Linux $(uname -r), up after $(cut -d. -f1 /proc/uptime) s of its own time"' || true)"
in_guest guest 60 'cd / && echo "Written before the snapshot." > /srv/letter && sync && sha256sum --quiet -c /srv/system.sha256' > /dev/null ||
    fail "the guest's files are not those of the image"
ok "every program of the guest has the checksum it was built with"

step "Kill the leading node under load" "fio writes 4 KiB blocks, each with a CRC32C, while the process that leads the volume's group gets SIGKILL."
STATUS=$(status_json) || fail "no node answers"
LEADER=$(jq -r '.volumes[] | select(.name == "root") | .leader // empty' <<< "$STATUS")
[ -n "$LEADER" ] || fail "cistern status names no leader for the volume root"
LEADER_PID=$(jq -r --arg n "$LEADER" '.nodes[] | select(.name == $n) | .pid' <<< "$STATUS")
LEADER_NO=$(jq -r --arg n "$LEADER" '[.nodes[].name] | index($n)' <<< "$STATUS")
in_guest guest 60 "$FIO --rw=write --do_verify=0 --bs=256k > /dev/null" > /dev/null || fail "fio could not lay out its file"
tell_guest guest "$FIO --do_verify=1 --rate_iops=,600 --output-format=json --output=/run/load.json; echo status \$?"
LOAD=$TOLD
read -r -t 6 <> "$PAUSE" || true
belongs_to "$LEADER_PID" "$CISTERN_HOME" || fail "process $LEADER_PID of node $LEADER is not one of this demo's"
kill -KILL "$LEADER_PID"
KILLED_MS=$(now_ms)
ok "writing; $LEADER (process $LEADER_PID), which leads the volume's group, killed with SIGKILL"
new_leader() {
    NEW_LEADER=$(poll_status | jq -r '.volumes[] | select(.name == "root") | .leader // empty')
    [ -n "$NEW_LEADER" ] && [ "$NEW_LEADER" != "$LEADER" ]
}
within 30 new_leader || fail "no other node took over within 30 s"
ok "$NEW_LEADER leads now; cistern status: $(status_json | jq -r '[.health] + .reasons[:1] | join(", ")')"
OUT=$(guest_answer guest "$LOAD" 120) || fail "fio in the guest: $OUT"
printf '%s\n' "$OUT" >> "$LOG"
case $OUT in *"status 0") ;; *) fail "fio in the guest found an error: $(tail -n 1 <<< "$OUT")" ;; esac
RESULT=$(in_guest guest 20 'sed -n "/^{/,\$p" /run/load.json')
STALL_MS=$(jq -r '.jobs[0].write.lat_ns.max / 1e6 | round' <<< "$RESULT")
WRITES=$(jq -r '.jobs[0].write.total_ios' <<< "$RESULT")
TYPICAL_MS=$(jq -r '.jobs[0].write.clat_ns.percentile["50.000000"] / 1e4 | round / 100' <<< "$RESULT")
ERRORS=$(errors_in_guest guest)
[ -z "$ERRORS" ] || fail "the guest's kernel met errors: $ERRORS"
ok "$WRITES writes all done and read back with their checksums, no error in the guest's kernel log"
note "the longest pause of a write in the guest was $STALL_MS ms (a usual one takes $TYPICAL_MS ms)"

step "Bring the node back" "It was away for $(duration $(($(now_ms) - KILLED_MS))) of writes. It gets what it missed, not a full copy."
AWAY_MS=$(now_ms)
cistern start --processes --port-base "$PORT" >> "$LOG" &
RESTART=$!
caught_up() {
    local s
    s=$(poll_status) || return 1
    jq -c '[.groups[] | {id, replicas: [.replicas[] | {node, state, behindEntries, catchUp}]}]' <<< "$s" >> "$LOG"
    BEHIND=$(jq -r --arg n "$LEADER" '[.groups[].replicas[] | select(.node == $n) | .behindEntries] | max // 0' <<< "$s")
    [ "${MOST_BEHIND:-0}" -ge "$BEHIND" ] || MOST_BEHIND=$BEHIND
    [ "$(jq -r .health <<< "$s")" = OK ]
}
MOST_BEHIND=0
within 90 caught_up || fail "$LEADER did not catch up within 90 s"
wait "$RESTART" || fail "cistern start, run again: $(tail -n 1 "$LOG")"
CATCHUP_MS=$(($(now_ms) - AWAY_MS))
# The node's process is new, so its counters hold what it got since: log entries, and copies if it needed any.
RESENT=$(metric "$LEADER_NO" cistern_raft_log_written_bytes_total) || fail "node $LEADER shows no metric of its log"
COPIED=$(metric "$LEADER_NO" cistern_copied_bytes_total) || COPIED=0
ok "$LEADER runs and has caught up; it was seen $MOST_BEHIND log entries behind at most"
note "resent to it: $(bytes "$RESENT") of log, $(bytes "$COPIED") of copied blocks; cistern status: OK"

step "Take a snapshot" "One entry in the log freezes the volume as it is, whatever its size, while the guest runs."
in_guest guest 20 'sync' > /dev/null || fail "the guest cannot sync"
api POST /v1/snapshots '{"snapshots":["root@good"]}' || fail "no snapshot: $(jq -r '.message // .' "$WORK/answer" 2>/dev/null)"
SNAPSHOT_MS=$API_MS
ok "root@good, in $SNAPSHOT_MS ms"

step "Wreck the guest's disk" "As root in the guest: the files go, then zeros over the first 256 MiB of the disk."
in_guest guest 60 'rm -rf /srv /boot /home /opt; dd if=/dev/zero of=/dev/vda bs=1M count=256 oflag=direct conv=fsync 2>&1 | tail -1' |
    tail -n 1 > "$WORK/dd" || fail "dd in the guest: $(cat "$WORK/dd")"
ok "$(cut -d, -f1 "$WORK/dd" | sed 's/ (.*//') of zeros over boot sector, file system and kernel"
stop_guest guest
start_guest wreck "$SOCKET"
unbootable() { { tr -d '\r\0' < "$WORK/guest-wreck/console"; } 2>/dev/null | grep -qE 'Boot failed|No bootable device|not a bootable disk'; }
within 30 unbootable || fail "the wrecked disk was expected not to boot"
ok "it does not boot: \"$(tr -d '\r\0' < "$WORK/guest-wreck/console" | grep -aoE 'Boot failed: [a-z ]*|No bootable device' | head -n 1)\""
stop_guest wreck

step "Roll back" "The volume becomes what the snapshot is; what it was meanwhile is kept as a snapshot of its own."
cli "detach failed" detach root > /dev/null
api POST /v1/volumes/root/snapshots/good/rollback || fail "no rollback: $(jq -r '.message // .' "$WORK/answer" 2>/dev/null)"
ROLLBACK_MS=$API_MS
ok "root is root@good again, in $ROLLBACK_MS ms; the wreck is root@$(jq -r .safetySnapshot "$WORK/answer")"
attach root
boot guest "$SOCKET"
ok "the guest boots"
in_guest guest 60 "cd / && cat /srv/letter && sha256sum --quiet -c /srv/system.sha256" > "$WORK/checked" || fail "after the rollback: $(tail -n 1 "$WORK/checked")"
in_guest guest 90 "$FIO --verify_only" > "$WORK/checked" || fail "fio after the rollback: $(tail -n 1 "$WORK/checked")"
ok "all programs and all $WRITES blocks that fio wrote have their checksums"

step "Clone twice, boot a clone beside its parent" "A clone is one record: it shares every block with the snapshot until one of the two changes."
api POST /v1/volumes/root/snapshots/good/clones '{"name":"web1"}' || fail "no clone: $(jq -r '.message // .' "$WORK/answer" 2>/dev/null)"
CLONE_MS=$API_MS
api POST /v1/volumes/root/snapshots/good/clones '{"name":"web2"}' || fail "no clone: $(jq -r '.message // .' "$WORK/answer" 2>/dev/null)"
ok "web1 and web2, in $CLONE_MS ms and $API_MS ms"
attach web1
boot web1 "$SOCKET"
ok "web1 runs beside its parent"
in_guest web1 20 'echo "Written in the clone." > /srv/letter; hostname web1; sync' > /dev/null || fail "the clone cannot write"
in_guest guest 20 'echo "Written in the parent." > /srv/letter; sync' > /dev/null || fail "the parent cannot write"
in_guest guest 20 'echo 3 > /proc/sys/vm/drop_caches; cat /srv/letter' | grep -q 'in the parent' || fail "the parent reads something else than it wrote"
in_guest web1 20 'echo 3 > /proc/sys/vm/drop_caches; cat /srv/letter' | grep -q 'in the clone' || fail "the clone reads something else than it wrote"
ok "each reads what it wrote itself"
for name in guest web1; do
    ERRORS=$(errors_in_guest "$name")
    [ -z "$ERRORS" ] || fail "the kernel of $name met errors: $ERRORS"
done

step "Stop" "Guests off, volumes detached, nodes stopped; nothing of the demo goes on running."
stop_guest guest
stop_guest web1
cli "detach failed" detach root > /dev/null
cli "detach failed" detach web1 > /dev/null
cli "the cluster did not stop" stop > /dev/null
[ -z "$(processes_of "$CISTERN_HOME")" ] || fail "still running: $(processes_of "$CISTERN_HOME" | tr '\n' ' ')"
ok "all stopped"

row() { printf '    %-58s %16s\n' "$1" "$2" | tee -a "$LOG"; }
printf '\n%sIn figures%s\n' "$BOLD" "$PLAIN"
row "Boot of the guest from the replicated volume" "$(duration "$FIRST_BOOT_MS")"
row "Longest pause in the guest when its leader was killed" "$STALL_MS ms"
row "Writes verified through that, errors" "$WRITES, none"
row "From starting the lost node to full health" "$(duration "$CATCHUP_MS")"
row "Resent to the lost node: log, copied blocks" "$(bytes "$RESENT"), $(bytes "$COPIED")"
row "Snapshot" "$SNAPSHOT_MS ms"
row "Rollback" "$ROLLBACK_MS ms"
row "Clone" "$CLONE_MS ms"
row "The whole demo" "$(duration $(($(now_ms) - STARTED_MS)))"
printf '\n    Details: %s\n' "$LOG"
