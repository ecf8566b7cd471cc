#!/usr/bin/env bash
# NFSv3 over Cistern (three node processes, three replicas) and over NFS-Ganesha on a local directory, one after another.
#
#   benchmarks/nfs.sh [cistern] [ganesha]        default: both        RUNTIME=5 (seconds a cell; 0: the large directory only)
#   ENTRIES=0 (of a large directory, as 1000000)
#   WARM=1 (seconds a cell of a run that is thrown away before; 0: none)
#   CELLS='read, 1' (a regular expression: only the cells whose names it is found in)
#   CISTERN=.../cistern (another build's command, to compare with)
#
# Cistern is asked at the node that leads the share's group. A node's first half minute is its compiler's: without the run before,
# the cells of one outstanding request, which come first, show that and not the path of a request.
#
# Prints a table for each, see NfsBench. Ganesha keeps one copy on this machine's file system and syncs it for every FILE_SYNC
# write; Cistern syncs three. Ganesha listens on all addresses meanwhile. Needs nfs-ganesha and nfs-ganesha-vfs (Debian) for the comparison, and root for Ganesha. Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RUNTIME=${RUNTIME:-5} ENTRIES=${ENTRIES:-0} WARM=${WARM:-1} CELLS=${CELLS:-} CISTERN=${CISTERN:-$here/../cistern}
(($#)) || set -- cistern ganesha
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-nfs.XXXXXX")
ganesha=
cistern() { "$CISTERN" --home "$work/cistern" "$@"; }
cleanup() {
    trap '' INT TERM # a second signal must not leave anything behind
    cistern stop > /dev/null 2>&1
    [ -z "$ganesha" ] || kill "$ganesha" 2> /dev/null
    wait
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
java=$("$here/../cistern" --jdk-home)/bin/java
bench() {
    local program=$here/src/main/java/io/cistern/bench/NfsBench.java
    [ "$WARM" = 0 ] || "$java" "$program" 127.0.0.1 "$@" "$WARM" 0 "$CELLS" > /dev/null || return 1
    "$java" "$program" 127.0.0.1 "$@" "$RUNTIME" "$ENTRIES" "$CELLS"
}
memory() { # resident memory of each node
    local name pid
    cistern status -o json | jq -r '.nodes[] | "\(.name) \(.pid)"' | while read -r name pid; do
        echo "memory $1, $name: $(awk '/^VmRSS/ { printf "%d MiB", $2 / 1024 }' "/proc/$pid/status")"
    done
}

for target; do
    echo "## $target"
    case $target in
    cistern)
        cistern start --processes > "$work/start.log" 2>&1 || { cat "$work/start.log" >&2; exit 1; }
        cistern share create bench --allow 127.0.0.0/8:no_root_squash > /dev/null || exit 1
        api=$(cistern status -o json | jq -r '.nodes[0].api')
        leader=$(curl -fsS "$api/v1/shares/bench" | jq -r .leader)
        port=$(cistern status -o json | jq -r --arg n "$leader" '.nodes[] | select(.name == $n).nfs' | sed 's/.*://')
        memory before
        bench "$port" "$port" /bench || exit 1
        memory after
        cistern stop > /dev/null
        ;;
    ganesha)
        mkdir -p "$work/export" "$work/recovery" /run/ganesha
        chmod 1777 "$work/export"
        cat > "$work/ganesha.conf" << CONF
NFS_CORE_PARAM { Protocols = 3,4; NFS_Port = 2059; MNT_Port = 2060; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
NFSv4 { RecoveryRoot = $work/recovery; Grace_Period = 5; Lease_Lifetime = 10; }
EXPORT { Export_Id = 1; Path = $work/export; Pseudo = $work/export; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; Protocols = 3,4;
    Transports = TCP; FSAL { Name = VFS; } }
CONF
        rpcbind -f & rpcbind=$!
        ganesha.nfsd -F -f "$work/ganesha.conf" -L "$work/ganesha.log" -p "$work/ganesha.pid" &
        ganesha=$!
        for _ in $(seq 100); do (: < /dev/tcp/127.0.0.1/2060) 2> /dev/null && break; sleep 0.2; done
        sleep 6 # its grace
        bench 2059 2060 "$work/export" || { tail -5 "$work/ganesha.log" >&2; exit 1; }
        kill "$ganesha" "$rpcbind"
        wait "$ganesha" 2> /dev/null
        ganesha=
        ;;
    *) echo "nfs.sh: no target $target" >&2; exit 2 ;;
    esac
done
