#!/usr/bin/env bash
# NFS over Cistern (three node processes, three replicas) and over NFS-Ganesha on a local directory, cell by cell by turns.
#
#   benchmarks/nfs.sh [cistern] [ganesha]        default: both        RUNTIME=3 (seconds a turn; 0: the large directory only)
#   ROUNDS=1 (turns of each cell; the medians are shown)
#   ENTRIES=0 (of a large directory, as 1000000)
#   WARM=1 (seconds a cell of a run that is thrown away before; 0: none)
#   CELLS='read, 1$' (a regular expression: only the cells whose names it is found in)
#   CISTERN=.../cistern (another build's command; as many as there are "cistern" among the servers, divided by colons)
#
# `CISTERN=old/cistern:new/cistern benchmarks/nfs.sh cistern cistern` compares two builds. Cistern is asked at the node that leads
# the share's group. A node's first half minute is its compiler's: without the run before, the cells of one outstanding request,
# which come first, show that and not the path of a request.
#
# Prints a table, see NfsBench. Ganesha keeps one copy on this machine's file system and syncs it for every FILE_SYNC
# write; Cistern syncs three. Ganesha listens on all addresses meanwhile. Needs nfs-ganesha and nfs-ganesha-vfs (Debian) for the comparison, and root for Ganesha. Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RUNTIME=${RUNTIME:-3} ROUNDS=${ROUNDS:-1} ENTRIES=${ENTRIES:-0} WARM=${WARM:-1} CELLS=${CELLS:-}
IFS=: read -r -a commands <<< "${CISTERN:-$here/../cistern}"
(($#)) || set -- cistern ganesha
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-nfs.XXXXXX")
started=0 # clusters
children=()
servers=()
cistern() { # NUMBER, then a command of that cluster
    local n=$1
    shift
    "${commands[n]:-${commands[0]}}" --home "$work/cistern$n" "$@"
}
cleanup() {
    local n
    trap '' INT TERM # a second signal must not leave anything behind
    for n in $(seq 0 $((started - 1))); do cistern "$n" stop > /dev/null 2>&1; done
    ((${#children[@]} == 0)) || kill "${children[@]}" 2> /dev/null
    wait
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
java=$("$here/../cistern" --jdk-home)/bin/java
memory() { # resident memory of each node of each cluster
    local name pid n
    for n in $(seq 0 $((started - 1))); do
        cistern "$n" status -o json | jq -r '.nodes[] | "\(.name) \(.pid)"' | while read -r name pid; do
            echo "memory $1, cluster $n, $name: $(awk '/^VmRSS/ { printf "%d MiB", $2 / 1024 }' "/proc/$pid/status")"
        done
    done
}
start_cistern() {
    local n=$started ports=() api leader port
    started=$((started + 1))
    # Clusters beside each other need ports of their own.
    ((n == 0)) || ports=(--port-base $((7480 + n * 1000)))
    cistern "$n" start --processes "${ports[@]}" > "$work/start.log" 2>&1 || { cat "$work/start.log" >&2; exit 1; }
    cistern "$n" share create bench --allow 127.0.0.0/8:no_root_squash > /dev/null || exit 1
    api=$(cistern "$n" status -o json | jq -r '.nodes[0].api')
    leader=$(curl -fsS "$api/v1/shares/bench" | jq -r .leader)
    port=$(cistern "$n" status -o json | jq -r --arg n "$leader" '.nodes[] | select(.name == $n).nfs' | sed 's/.*://')
    servers+=("cistern$n=127.0.0.1:$port:$port:/bench")
}
start_ganesha() {
    mkdir -p "$work/export" "$work/recovery" /run/ganesha
    chmod 1777 "$work/export"
    cat > "$work/ganesha.conf" << CONF
NFS_CORE_PARAM { Protocols = 3,4; NFS_Port = 2059; MNT_Port = 2060; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
NFSv4 { RecoveryRoot = $work/recovery; Grace_Period = 5; Lease_Lifetime = 10; }
EXPORT { Export_Id = 1; Path = $work/export; Pseudo = $work/export; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 3,4;
    Transports = TCP; FSAL { Name = VFS; } }
CONF
    rpcbind -f & children+=($!)
    ganesha.nfsd -F -f "$work/ganesha.conf" -L "$work/ganesha.log" -p "$work/ganesha.pid" &
    children+=($!)
    for _ in $(seq 100); do (: < /dev/tcp/127.0.0.1/2060) 2> /dev/null && break; sleep 0.2; done
    sleep 6 # its grace
    servers+=("ganesha=127.0.0.1:2059:2060:$work/export")
}

for target; do
    case $target in
    cistern) start_cistern ;;
    ganesha) start_ganesha ;;
    *) echo "nfs.sh: no target $target" >&2; exit 2 ;;
    esac
done
((ENTRIES == 0)) || memory before
"$java" -Dseconds="$RUNTIME" -Dwarm="$WARM" -Drounds="$ROUNDS" -Dentries="$ENTRIES" -Dcells="$CELLS" \
    "$here/src/main/java/io/cistern/bench/NfsBench.java" "${servers[@]}" || { tail -5 "$work/ganesha.log" >&2; exit 1; }
((ENTRIES == 0)) || memory after
