#!/usr/bin/env bash
# Starts a guest of libvirt on a volume, over both transports, from the XML that `cistern attach` prints.
#
#   benchmarks/libvirt.sh [nbd] [vhost-user]       default: both. As root, with a libvirtd of its own in a mount namespace of its own.
#
# For each transport: the domain validates against libvirt's schema, starts, its guest reads and writes the disk, the driver is killed
# under it and the guest goes on, and it is destroyed. Needs libvirt-daemon-system, libvirt-clients, qemu-system-x86_64, jq.
set -uo pipefail
[ -n "${CISTERN_LIBVIRT_ALONE:-}" ] || CISTERN_LIBVIRT_ALONE=1 exec unshare --mount bash "${BASH_SOURCE[0]}" "$@"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SIZE=1
(($#)) || set -- nbd vhost-user
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-libvirt.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
libvirtd=
uri="qemu+unix:///system?socket=$work/run/libvirt-sock"
cleanup() {
    trap '' INT TERM
    virsh -q -c "$uri" list --name 2>/dev/null | xargs -r -n1 virsh -q -c "$uri" destroy >/dev/null 2>&1
    [ -n "$libvirtd" ] && kill "$libvirtd" 2>/dev/null && wait "$libvirtd" 2>/dev/null
    cistern stop >/dev/null 2>&1
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
guest=$(bash "$here/../chaos-tests/guest/build-initramfs.sh" | tail -n 1) || exit 1
cp "$guest/vmlinuz" "$guest/initrd" "$work/" && chmod 755 "$work" && chmod 644 "$work/vmlinuz" "$work/initrd"

# A daemon of our own: its sockets here, its guests as root, without security drivers and cgroups.
mkdir -p "$work/run" "$work/state" "$work/lib" /run/libvirt /var/lib/libvirt
mount --bind "$work/state" /run/libvirt && mount --bind "$work/lib" /var/lib/libvirt || exit 1
cat >"$work/libvirtd.conf" <<EOF
unix_sock_dir = "$work/run"
auth_unix_rw = "none"
EOF
cat >"$work/qemu.conf" <<EOF
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
stdio_handler = "file"
namespaces = []
remember_owner = 0
EOF
mount --bind "$work/qemu.conf" /etc/libvirt/qemu.conf || exit 1
libvirtd -f "$work/libvirtd.conf" -p "$work/libvirtd.pid" >"$work/libvirtd.log" 2>&1 &
libvirtd=$!
for ((i = 0; i < 100; i++)); do [ -S "$work/run/libvirt-sock" ] && break; sleep 0.1; done
virsh -c "$uri" version || { cat "$work/libvirtd.log" >&2; exit 1; }

up_cistern || exit 1
failed=0
for transport in "$@"; do
    name=lv-$transport
    cistern volume create "$name" 1GiB >/dev/null && cistern attach "$name" --transport "$transport" -o json >"$work/$name.json" || exit 1
    if [ "$transport" = nbd ]; then
        # libvirt 9.0 does not know <reconnect> for NBD: QEMU's own arguments instead, as the command says.
        disk= memory=
        args=$(jq -r '.qemu[] | @html "<qemu:arg value=\"\(.)\"/>"' "$work/$name.json")
        more="<qemu:commandline>$args</qemu:commandline>"
    else
        disk=$(jq -r .libvirt "$work/$name.json")
        memory="<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
        more=
    fi
    cat >"$work/$name.xml" <<EOF
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>$name</name><memory unit='MiB'>256</memory>$memory<vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><kernel>$work/vmlinuz</kernel><initrd>$work/initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 mitigations=off nokaslr</cmdline></os>
  <cpu mode='maximum'/><features><acpi/></features>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>$disk
    <serial type='file'><source path='$work/$name.console'/><target port='0'/></serial>
    <serial type='pipe'><source path='$work/$name.agent'/><target port='1'/></serial>
    <memballoon model='none'/>
  </devices>$more
</domain>
EOF
    mkfifo "$work/$name.agent.in" "$work/$name.agent.out"
    say() { echo "$transport: $*"; }
    virt-xml-validate "$work/$name.xml" domain && say "the domain is valid" || { say "the domain is NOT valid"; failed=1; }
    virsh -q -c "$uri" create "$work/$name.xml" || { say "did NOT start"; tail -n 5 "$work/libvirtd.log" /var/log/libvirt/qemu/"$name".log 2>/dev/null; failed=1; continue; }
    say "started: $(virsh -q -c "$uri" domblklist "$name" | tr -s ' ' | tr '\n' ';')"
    exec 5<>"$work/$name.agent.in" 6<>"$work/$name.agent.out"
    run() { # run COMMAND: its status
        local id code
        echo "c1 $(printf '%s' "$1" | base64 -w0)" >&5
        read -r -t 60 id code _ <&6 && [ "$code" = 0 ]
    }
    read -r -t 60 up _ <&6 && [ "$up" = ready ] && say "the guest is up" || { say "the guest does NOT answer"; tail -n 3 "$work/$name.console"; failed=1; }
    run 'dd if=/dev/urandom of=/run/r bs=1M count=16 && dd if=/run/r of=/dev/vda bs=1M oflag=direct && dd if=/dev/vda bs=1M count=16 iflag=direct | cmp - /run/r' &&
        say "16 MiB written and read again" || { say "writing or reading FAILED"; failed=1; }
    driver=$(pgrep -f "driver --home $cistern_home" | while read -r p; do [[ $(readlink "/proc/$p/exe") == */java ]] && echo "$p"; done)
    kill -KILL "$driver"
    run 'dd if=/run/r of=/dev/vda bs=1M seek=32 oflag=direct && dd if=/dev/vda bs=1M skip=32 count=16 iflag=direct | cmp - /run/r' &&
        say "the same while the driver was killed and started again" || { say "the guest did NOT survive the driver"; failed=1; }
    run 'dmesg | grep -i "I/O error"' && { say "the guest saw an I/O ERROR"; failed=1; }
    virsh -q -c "$uri" destroy "$name"
    exec 5>&- 6>&-
    cistern detach "$name" >/dev/null || failed=1
done
exit "$failed"
