# Target "gluster": one glusterd, volume "bench" with three bricks, replica 3, the shipped "virt" option group, no sharding.
# An acknowledged O_DIRECT write has returned from all bricks but is not flushed.
gluster_dir=$work/gluster
gluster_cli() { timeout 60 gluster --mode=script --log-file="$gluster_dir/cli.log" "$@"; }
up_gluster() {
    mkdir -p "$gluster_dir"/{lib,run,b1,b2,b3} /var/log/glusterfs/bricks
    cp -r /var/lib/glusterd/groups "$gluster_dir/lib/" || return 1
    cat >"$gluster_dir/glusterd.vol" <<CONF
volume management
    type mgmt/glusterd
    option working-directory $gluster_dir/lib
    option run-directory $gluster_dir/run
    option transport-type socket
    option transport.address-family inet
    option transport.socket.listen-port 24007
    option max-port 60999
end-volume
CONF
    spawn glusterd glusterd -N -f "$gluster_dir/glusterd.vol" -p "$gluster_dir/glusterd.pid" -l "$gluster_dir/glusterd.log"
    until_ok 30 gluster_cli volume list || return 1
    gluster_cli volume create bench replica 3 10.255.0.1:"$gluster_dir"/b{1,2,3}/d force >/dev/null || return 1
    local option
    for option in "group virt" "features.shard off" "server.allow-insecure on"; do
        # shellcheck disable=SC2086
        gluster_cli volume set bench $option >/dev/null || return 1
    done
    gluster_cli volume start bench force >/dev/null
    until_ok 30 sh -c "gluster --mode=script --log-file=$gluster_dir/cli.log volume status bench | grep -cE ' Y +[0-9]+ *\$' | grep -q 4"
}
fio_gluster() { echo "--ioengine=gfapi_async --volume=bench --brick=10.255.0.1 --filename=img --direct=1"; }
pids_gluster() { echo -n "${daemons[glusterd]:-} "; cat "$gluster_dir"/run/vols/bench/*.pid "$gluster_dir"/run/shd/bench/*.pid 2>/dev/null | tr '\n' ' '; }
down_gluster() {
    gluster_cli volume stop bench force >/dev/null 2>&1
    local pid
    for pid in $(cat "$gluster_dir"/run/vols/bench/*.pid "$gluster_dir"/run/shd/*/*.pid 2>/dev/null); do kill "$pid" 2>/dev/null; done
    stop_daemons
    rm -rf "$gluster_dir"
}
