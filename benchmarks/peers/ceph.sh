# Target "ceph": one monitor, one manager, three BlueStore OSDs on sparse files, a pool of size 3 / min_size 2, cephx on,
# rbd cache off (so that an acknowledged write is durable on all three).
ceph_dir=$work/ceph
up_ceph() {
    mkdir -p "$ceph_dir"
    export CEPH_CONF=$ceph_dir/ceph.conf CEPH_ARGS="--conf $ceph_dir/ceph.conf"
    local fsid osd uuid
    fsid=$(cat /proc/sys/kernel/random/uuid)
    cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon_host = [v2:127.0.0.1:3300,v1:127.0.0.1:6789]
mon_initial_members = a
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
keyring = $ceph_dir/\$name.keyring
run_dir = $ceph_dir
admin_socket = $ceph_dir/\$name.asok
log_file = $ceph_dir/\$name.log
mon_data = $ceph_dir/mon.a
mgr_data = $ceph_dir/mgr.x
osd_data = $ceph_dir/osd.\$id
osd_crush_chooseleaf_type = 0
osd_memory_target = 1073741824
bluestore_block_size = $((20 << 30))
mon_data_avail_warn = 5
mon_data_avail_crit = 1
[client]
admin_socket =
log_file =
rbd_cache = false
CONF
    ceph-authtool --create-keyring "$ceph_dir/mon.a.keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null &&
        ceph-authtool --create-keyring "$ceph_dir/client.admin.keyring" --gen-key -n client.admin --cap mon 'allow *' \
            --cap osd 'allow *' --cap mgr 'allow *' >/dev/null &&
        ceph-authtool "$ceph_dir/mon.a.keyring" --import-keyring "$ceph_dir/client.admin.keyring" >/dev/null &&
        monmaptool --create --addv a '[v2:127.0.0.1:3300,v1:127.0.0.1:6789]' --fsid "$fsid" "$ceph_dir/monmap" >/dev/null &&
        ceph-mon --mkfs -i a --monmap "$ceph_dir/monmap" --keyring "$ceph_dir/mon.a.keyring" || return 1
    spawn ceph-mon ceph-mon -f -i a
    until_ok 30 timeout 5 ceph -s || return 1
    ceph config set global osd_pool_default_pg_autoscale_mode off
    mkdir -p "$ceph_dir/mgr.x"
    ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' >"$ceph_dir/mgr.x.keyring"
    spawn ceph-mgr ceph-mgr -f -i x
    for osd in 0 1 2; do
        uuid=$(cat /proc/sys/kernel/random/uuid)
        mkdir -p "$ceph_dir/osd.$osd"
        ceph osd new "$uuid" "$osd" >/dev/null
        ceph auth get-or-create "osd.$osd" mon 'allow profile osd' mgr 'allow profile osd' osd 'allow *' >"$ceph_dir/osd.$osd.keyring"
        ceph-osd -i "$osd" --mkfs --osd-uuid "$uuid" >"$ceph_dir/mkfs.$osd.log" 2>&1
        spawn "ceph-osd-$osd" ceph-osd -f -i "$osd"
    done
    until_ok 60 sh -c 'timeout 5 ceph osd stat | grep -q "3 up"' || return 1
    ceph osd pool create rbd 32 32 replicated >/dev/null 2>&1
    ceph osd pool set rbd size 3 >/dev/null 2>&1
    ceph osd pool set rbd min_size 2 >/dev/null 2>&1
    rbd create --size "${SIZE}G" rbd/bench
    until_ok 120 sh -c 'timeout 5 ceph pg stat | grep -Eq "^([0-9]+) pgs: \1 active\+clean;"'
}
fio_ceph() { echo "--ioengine=rbd --pool=rbd --rbdname=bench --clientname=admin"; }
pids_ceph() { local name; for name in "${!daemons[@]}"; do [[ $name == ceph-* ]] && echo -n "${daemons[$name]} "; done; }
down_ceph() { stop_daemons; rm -rf "$ceph_dir"; unset CEPH_CONF CEPH_ARGS; }
