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
metrics_cistern() { # metrics_cistern API NAME [GROUP]: the sum of a counter of one node, of data groups only where a group is known
    curl -fsS --max-time 5 "$1/metrics" 2>/dev/null |
        awk -v n="$2" 'index($1, n "{") == 1 && $1 !~ /group="(g0|system)"/ { s += $NF } END { printf "%.0f", s }'
}
extra_cistern() { # what each replica has done since its start for what the user wrote
    local api name user writes
    echo "replica  user MB  writes  log fsyncs/write  other fsyncs/write  log bytes/byte  data bytes/byte  map bytes/byte"
    while read -r name api; do
        user=$(metrics_cistern "$api" cistern_disk_user_written_bytes_total) writes=$(metrics_cistern "$api" cistern_raft_commands_total)
        awk -v name="$name" -v user="$user" -v writes="$writes" -v fsyncs="$(metrics_cistern "$api" cistern_raft_fsyncs_total)" \
            -v logged="$(metrics_cistern "$api" cistern_raft_log_written_bytes_total)" \
            -v data="$(metrics_cistern "$api" cistern_disk_data_written_bytes_total)" \
            -v map="$(metrics_cistern "$api" cistern_disk_map_written_bytes_total)" \
            -v other="$(($(metrics_cistern "$api" cistern_disk_data_syncs_total) + $(metrics_cistern "$api" cistern_disk_map_syncs_total)))" \
            'BEGIN { if (!user || !writes) { print name ": no metrics"; exit }
                printf "%-8s %7.0f %7d %17.3f %19.4f %15.2f %16.2f %15.3f\n", name, user / 1e6, writes, fsyncs / writes, other / writes,
                    logged / user, data / user, map / user }'
    done < <(cistern status -o json | jq -r '.nodes[] | "\(.name) \(.api)"')
}
down_cistern() {
    cistern detach bench >/dev/null 2>&1
    cistern stop >/dev/null 2>&1
    rm -rf "$cistern_home"
}
