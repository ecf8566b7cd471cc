# Target "cistern": three node processes and one driver on this machine; fio's nbd engine on the driver's socket.
cistern_home=$work/cistern
cistern() { "$here/../cistern" --home "$cistern_home" "$@"; }
up_cistern() {
    cistern start --processes >"$work/cistern-start.log" 2>&1 || { cat "$work/cistern-start.log" >&2; return 1; }
    cistern volume create bench "${SIZE}GiB" >/dev/null && cistern attach bench --socket "$work/bench.sock" >/dev/null
}
fio_cistern() { echo "--ioengine=nbd --uri=nbd+unix:///?socket=$work/bench.sock"; }
# The nodes and the driver: every Java process whose command line names this home.
pids_cistern() {
    local file
    for file in $(grep -lsF -- "$cistern_home" /proc/[0-9]*/cmdline); do
        [[ $(readlink "${file%/cmdline}/exe" 2>/dev/null) == */java ]] && basename "${file%/cmdline}"
    done | tr '\n' ' '
}
extra_cistern() { # what each replica did for what the user wrote
    local api
    for api in $(cistern status -o json | jq -r '.nodes[].api'); do
        echo "$api: $(curl -fsS --max-time 5 "${api#http*://}/metrics" 2>/dev/null | grep -E '^cistern_(raft|disk|volume)_.*(fsync|bytes)' | tr '\n' ' ')"
    done
}
down_cistern() {
    cistern detach bench >/dev/null 2>&1
    cistern stop >/dev/null 2>&1
    rm -rf "$cistern_home"
}
