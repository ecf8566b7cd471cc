# Helpers of the demo: steps and their times, ports, guests under QEMU. Sourced by demo.sh.
# shellcheck shell=bash

# --- output -----------------------------------------------------------------------------------
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' PLAIN=$'\e[0m'
else
    BOLD='' DIM='' GREEN='' RED='' PLAIN=''
fi

now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo $((t / 1000)); }

# 1234 -> "1.2 s", 87 -> "87 ms"
duration() {
    local ms=$1
    if [ "$ms" -lt 1000 ]; then echo "$ms ms"; else printf '%d.%d s\n' $((ms / 1000)) $((ms % 1000 / 100)); fi
}

# 1234567 -> "1.2 MiB"
bytes() {
    local n=$1
    if [ "$n" -lt 1024 ]; then echo "$n B"
    elif [ "$n" -lt 1048576 ]; then printf '%d.%d KiB\n' $((n / 1024)) $((n % 1024 * 10 / 1024))
    elif [ "$n" -lt 1073741824 ]; then printf '%d.%d MiB\n' $((n / 1048576)) $((n % 1048576 * 10 / 1048576))
    else printf '%d.%d GiB\n' $((n / 1073741824)) $((n % 1073741824 * 10 / 1073741824)); fi
}

exec 9>&1    # what people see, also from where output is redirected
STEP=0
STEP_NAME=start
# step TITLE WHY
step() {
    STEP=$((STEP + 1)) STEP_NAME=$1
    printf '\n%s%2d  %s%s\n    %s%s%s\n' "$BOLD" "$STEP" "$1" "$PLAIN" "$DIM" "$2" "$PLAIN"
    printf '\n===== %d %s (%(%T)T)\n' "$STEP" "$1" -1 >> "$LOG"
    tick
}

TICK_MS=0
# Starts the clock that the next `ok` shows.
tick() { TICK_MS=$(now_ms); }

# ok TEXT: something was done; with the time since the last tick or ok
ok() {
    local took=$(($(now_ms) - TICK_MS))
    printf '    %sok%s  %s%8s%s  %s\n' "$GREEN" "$PLAIN" "$DIM" "$(duration "$took")" "$PLAIN" "$1"
    printf 'ok %s (%s ms)\n' "$1" "$took" >> "$LOG"
    tick
}

note() { printf '                  %s\n' "$1"; printf '%s\n' "$1" >> "$LOG"; }

# fail TEXT: says what went wrong in which step and ends the demo
fail() {
    printf '    %sFAILED%s      %s\n' "$RED" "$PLAIN" "$1" >&9
    printf 'FAILED in step %d (%s): %s\n' "$STEP" "$STEP_NAME" "$1" >> "$LOG"
    exit 1
}

# logged COMMAND...: its output goes to the log only
logged() {
    printf '$ %s\n' "$*" >> "$LOG"
    "$@" >> "$LOG" 2>&1
}

# within SECONDS COMMAND...: repeats the command until it succeeds
within() {
    local end=$(($(now_ms) + $1 * 1000)); shift
    until "$@"; do
        [ "$(now_ms)" -lt "$end" ] || return 1
        read -r -t 0.2 <> "$PAUSE" || true
    done
}

# --- ports -------------------------------------------------------------------------------------
# A port base whose three nodes' ports nothing listens on.
free_port_base() {
    local used base k p busy try
    used=" $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '{sub(/.*:/, "", $2); print $2}' | sort -u | tr '\n' ' ') "
    for try in {1..200}; do
        base=$((20000 + RANDOM % 100 * 100)) busy=0
        for k in 0 1 2; do
            for p in {0..29}; do
                [[ $used != *" $(printf %04X $((base + 100 * k + p))) "* ]] || busy=1
            done
        done
        [ $busy = 1 ] || { echo "$base"; return; }
    done
    return 1
}

# --- processes ---------------------------------------------------------------------------------
# belongs_to PID DIRECTORY: does the process name the directory in its command line or its environment?
belongs_to() { { cat "/proc/$1/cmdline" "/proc/$1/environ" | tr '\0' ' '; } 2>/dev/null | grep -qF -- "$2"; }

# The processes that name a directory of this demo, without the demo's own shells.
processes_of() {
    local dir pid
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        case $pid in $$ | "$BASHPID" | "${STEPS:-}") continue ;; esac
        ! belongs_to "$pid" "$1" || echo "$pid"
    done
}

# --- guests -------------------------------------------------------------------------------------
# kvm where it really works, else tcg (QEMU's own processor emulation)
accelerator() {
    local banner
    if [ -w /dev/kvm ]; then
        banner=$(timeout 5 qemu-system-x86_64 -accel kvm -cpu host -nodefaults -machine pc,graphics=off \
            -display none -serial stdio </dev/null 2>/dev/null | head -c 200 | tr -d '\0') || true
        case $banner in *SeaBIOS*) echo kvm; return ;; esac
    fi
    echo tcg
}

declare -A GUEST_PID=() GUEST_IN=() GUEST_OUT=()
GUEST_SEQ=0

# start_guest NAME SOCKET: powers on a machine whose only disk is the volume behind the socket
start_guest() {
    local name=$1 socket=$2 dir=$WORK/guest-$1 in out cpu=max
    [ "$ACCEL" != kvm ] || cpu=host
    mkdir -p "$dir"
    rm -f "$dir/agent.in" "$dir/agent.out" "$dir/console"
    mkfifo "$dir/agent.in" "$dir/agent.out"
    exec {in}<> "$dir/agent.in" {out}<> "$dir/agent.out"
    GUEST_IN[$name]=$in GUEST_OUT[$name]=$out
    local -a qemu=(qemu-system-x86_64 -name "$name" -nodefaults -no-user-config -display none -no-reboot
        -machine pc,graphics=off -accel "$ACCEL" -cpu "$cpu" -smp 1 -m 512
        -blockdev "driver=nbd,node-name=disk,server.type=unix,server.path=$socket,reconnect-delay=30"
        -device virtio-blk-pci,drive=disk
        -serial "file:$dir/console" -chardev "pipe,id=agent,path=$dir/agent" -serial chardev:agent)
    printf '$ %s\n' "${qemu[*]}" >> "$LOG"
    "${qemu[@]}" </dev/null >> "$LOG" 2>&1 {in}>&- {out}>&- &
    GUEST_PID[$name]=$!
}

guest_lives() { kill -0 "${GUEST_PID[$1]}" 2>/dev/null; }

# Power off, as pulling the plug.
stop_guest() {
    local name=$1 pid=${GUEST_PID[$1]:-} in=${GUEST_IN[$1]:-} out=${GUEST_OUT[$1]:-}
    [ -n "$pid" ] || return 0
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    [ -z "$in" ] || exec {in}>&- {out}>&-
    unset "GUEST_PID[$name]" "GUEST_IN[$name]" "GUEST_OUT[$name]"
    { echo "console of $name:"; tr -d '\r' < "$WORK/guest-$name/console"; } >> "$LOG" 2>/dev/null || true
}

# Waits for the line `ID STATUS BASE64`; the output goes to stdout, the status is returned.
# guest_answer NAME ID SECONDS
guest_answer() {
    local name=$1 want=$2 end=$(($(now_ms) + $3 * 1000)) line='' part id status text fd=${GUEST_OUT[$1]}
    while [ "$(now_ms)" -lt "$end" ]; do
        if IFS= read -r -t 1 part <&"$fd"; then
            line+=$part
            read -r id status text <<< "$line"
            line=''
            [ "$id" = "$want" ] || continue
            base64 -d <<< "$text" 2>/dev/null
            return "$status"
        else
            line+=$part
        fi
        guest_lives "$name" || { echo "the guest's QEMU has ended"; return 125; }
    done
    echo "no answer from the guest within $3 s"
    return 124
}

# wait_guest NAME SECONDS: until the guest's system is up; prints the guest's own uptime in seconds
wait_guest() { guest_answer "$1" ready "$2"; }

# tell_guest NAME COMMAND: starts a command in the guest and returns at once; its id in TOLD
tell_guest() {
    GUEST_SEQ=$((GUEST_SEQ + 1)) TOLD=c$GUEST_SEQ
    printf 'guest %s$ %s\n' "$1" "$2" >> "$LOG"
    printf '%s %s\n' "$TOLD" "$(printf %s "$2" | base64 -w0)" >&"${GUEST_IN[$1]}"
}

# in_guest NAME SECONDS COMMAND: runs a command in the guest; its output, its status
in_guest() {
    local out status=0
    tell_guest "$1" "$3"
    out=$(guest_answer "$1" "$TOLD" "$2") || status=$?
    printf '%s\n(status %s)\n' "$out" "$status" >> "$LOG"
    printf '%s\n' "$out"
    return "$status"
}
