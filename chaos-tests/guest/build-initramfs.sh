#!/usr/bin/env bash
# Builds the guests of the chaos tests: a Debian kernel and an initramfs of busybox, virtio_blk and fio,
# which is up in about three seconds under QEMU's own processor emulation.
#
#   build-initramfs.sh          prints the directory that holds vmlinuz and initrd
#   build-initramfs.sh san      likewise; with open-iscsi, dm-multipath, udev, sg3-utils and ext4 too
#
# All comes from Debian packages, fetched with `apt-get download`; nothing is installed and no root is needed. The
# result is kept in $XDG_CACHE_HOME/cistern (default ~/.cache/cistern) under a hash of this script.
#
# The guest runs the commands that arrive on its second serial port, one line each way:
# `ID BASE64(command)` -> `ID EXIT-STATUS BASE64(output)`; it says `ready 0 BASE64(uptime)` first.
set -euo pipefail
export LC_ALL=C
KIND=${1:-disk}
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cistern
KEPT=$CACHE/guest-$KIND-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
[ ! -e "$KEPT/initrd" ] || { echo "$KEPT"; exit 0; }

die() { printf 'build-initramfs: %s\n' "$*" >&2; exit 1; }
for tool in apt-get:apt dpkg-deb:dpkg cpio:cpio gcc:gcc readelf:binutils nm:binutils; do
    command -v "${tool%%:*}" > /dev/null || die "needs ${tool%%:*} (Debian package ${tool#*:})"
done
mkdir -p "$CACHE"
WORK=$(mktemp -d "$CACHE/.guest.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
TREE=$WORK/tree ROOT=$WORK/root LIB=usr/lib/x86_64-linux-gnu
mkdir -p "$TREE" "$ROOT"/{proc,sys,dev,run,tmp,root,bin,lib64,etc,"$LIB"} "$WORK/debs" "$WORK/out"

case $KIND in
disk) KERNEL=linux-image-cloud-amd64 PACKAGES="" MODULES="" PROGRAMS="" ;;
san)
    KERNEL=linux-image-amd64 # the cloud kernel has no scsi_dh_alua
    PACKAGES="open-iscsi multipath-tools udev dmsetup sg3-utils e2fsprogs
        libacl1 libblkid1 libcap2 libcom-err2 libdevmapper1.02.1 libext2fs2 libgcc-s1 libgcrypt20 libgpg-error0 libisns0 libkmod2 liblz4-1 liblzma5 libmount1
        libopeniscsiusr libpcre2-8-0 libselinux1 libsgutils2-1.46-2 libss2 libssl3 libsystemd0 libudev1 liburcu8 libuuid1 libzstd1"
    MODULES="virtio_net iscsi_tcp sd_mod sg dm-multipath dm-service-time scsi_dh_alua ext4"
    PROGRAMS="iscsid iscsiadm multipath multipathd mpathpersist dmsetup udevadm mke2fs e2fsck
        sg_inq sg_vpd sg_persist sg_rtpg sg_opcodes sg_xcopy sg_reset sg_unmap sg_luns sg_readcap" ;;
*) die "knows the guests disk and san, not $KIND" ;;
esac

# --- packages
IMAGE=$(apt-cache depends "$KERNEL" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-\)/\1/p' | head -n 1)
[ -n "$IMAGE" ] || die "apt knows no $KERNEL: run apt-get update on a Debian 12 system"
KVER=${IMAGE#linux-image-}
# shellcheck disable=SC2086
(cd "$WORK/debs" && apt-get -qq -o APT::Sandbox::User=root download "$IMAGE" busybox-static fio libc6 libnuma1 libaio1 zlib1g $PACKAGES) >&2 ||
    die "apt-get could not download the guest's packages"
for deb in "$WORK"/debs/*.deb; do dpkg-deb -x "$deb" "$TREE"; done
# One merged /usr, whichever way the packages ship their files.
for dir in bin sbin lib lib64; do
    if [ -d "$TREE/$dir" ]; then mkdir -p "$TREE/usr/$dir"; cp -a "$TREE/$dir/." "$TREE/usr/$dir/"; rm -rf "${TREE:?}/$dir"; fi
done

# --- kernel and modules
cp "$TREE/boot/vmlinuz-$KVER" "$WORK/out/vmlinuz"
FROM=$TREE/usr/lib/modules/$KVER
: > "$WORK/modules"
with_dependencies() { # NAME: its file after those of the modules it needs
    local file name
    file=$(find "$FROM/kernel" -name "$1.ko" -o -name "${1//_/-}.ko" -o -name "${1//-/_}.ko" | head -n 1)
    if [ -z "$file" ]; then
        grep -qE "/(${1//_/-}|${1//-/_})\.ko" "$FROM/modules.builtin" || die "the kernel has no module $1"
        return 0
    fi
    for name in $(readelf -p .modinfo "$file" | sed -n 's/.* depends=//p' | tr ',' ' '); do with_dependencies "$name"; done
    grep -qxF "$file" "$WORK/modules" || echo "$file" >> "$WORK/modules"
}
for module in virtio_pci virtio_blk crc32c-intel $MODULES; do with_dependencies "$module"; done
mkdir -p "$ROOT/modules"
into() { # LIST: the modules found so far, those of other lists left out
    while read -r file; do
        [ ! -e "$ROOT/modules/$(basename "$file")" ] || continue
        cp "$file" "$ROOT/modules/"
        basename "$file" >> "$ROOT/modules/$1"
    done < "$WORK/modules"
}
into order
# Loaded by tests that want them: a network card and the clients of NFS.
for module in virtio_net nfsv3 nfsv4; do with_dependencies "$module"; done
into network

# --- busybox and fio
install -m755 "$TREE/usr/bin/busybox" "$ROOT/bin/busybox"
cp -L "$TREE/usr/lib64/ld-linux-x86-64.so.2" "$ROOT/lib64/" 2> /dev/null || cp -L "$TREE/$LIB/ld-linux-x86-64.so.2" "$ROOT/lib64/"
install -m755 "$TREE/usr/bin/fio" "$ROOT/bin/fio"
# Debian's fio is linked with the clients of Ceph, Gluster, RDMA and more, 80 MB that no test uses. One empty library
# takes the place of them all: it defines every symbol (with its version) that the real ones below do not.
KEEP='^(libc|libm|libnuma|libaio|libz)\.so'
mapfile -t WANTED < <(readelf -d "$ROOT/bin/fio" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
: > "$WORK/have"
for name in "${WANTED[@]}"; do
    [[ $name =~ $KEEP ]] || continue
    cp -L "$TREE/$LIB/$name" "$ROOT/$LIB/$name"
    nm -D --defined-only "$ROOT/$LIB/$name" | awk '{ sub(/@.*/, "", $3); print $3 }' >> "$WORK/have"
done
nm -D --undefined-only "$ROOT/bin/fio" | awk '$1 == "U" { print $2 }' | sort -u > "$WORK/undefined"
awk -v have="$WORK/have" 'BEGIN { while ((getline line < have) > 0) known[line] = 1 }
    { name = $0; version = ""; if ((at = index($0, "@")) > 0) { name = substr($0, 1, at - 1); version = substr($0, at + 1); sub(/^@/, "", version) }
      if (!(name in known)) print name, version }' "$WORK/undefined" > "$WORK/missing"
awk '{ print "int " $1 "(void) { return -1; }" }' "$WORK/missing" | sort -u > "$WORK/empty.c"
awk '$2 != "" { of[$2] = of[$2] " " $1 ";" } END { for (v in of) print v " {" of[v] " };" }' "$WORK/missing" > "$WORK/empty.map"
gcc -w -fno-builtin -shared -nostdlib -fPIC -Wl,--version-script="$WORK/empty.map" -o "$WORK/empty.so" "$WORK/empty.c" >&2
for name in "${WANTED[@]}"; do
    [[ $name =~ $KEEP ]] || cp "$WORK/empty.so" "$ROOT/$LIB/$name"
done

# --- other programs, with the libraries that they need
with_libraries() { # FILE
    local name from
    for name in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        [ ! -e "$ROOT/$LIB/$name" ] || continue
        case $name in ld-linux*) continue ;; esac
        from=$TREE/$LIB/$name
        [ -e "$from" ] || from=$TREE/usr/lib/$name
        [ -e "$from" ] || die "no package of the guest has $name, which $1 needs"
        cp -L "$from" "$ROOT/$LIB/$name"
        with_libraries "$from"
    done
}
for program in $PROGRAMS; do
    from=$TREE/usr/sbin/$program
    [ -e "$from" ] || from=$TREE/usr/bin/$program
    [ -e "$from" ] || die "no package of the guest has $program"
    cp -L "$from" "$ROOT/bin/$program"
    with_libraries "$from"
done
if [ "$KIND" = san ]; then
    mkdir -p "$ROOT"/lib/udev/rules.d "$ROOT"/etc/{iscsi,multipath,udev} "$ROOT/var/lib" "$ROOT/usr/lib"
    ln -s ../bin "$ROOT/sbin"
    cp -rL "$TREE/usr/lib/multipath" "$ROOT/lib/multipath"
    cp -L "$TREE/usr/lib/udev/scsi_id" "$ROOT/lib/udev/"
    for rules in 50-udev-default 55-dm 56-dm-mpath 60-multipath 60-persistent-storage 60-persistent-storage-dm 95-dm-notify; do
        cp "$TREE/usr/lib/udev/rules.d/$rules.rules" "$ROOT/lib/udev/rules.d/"
    done
    cp -L "$TREE/$LIB/libgcc_s.so.1" "$ROOT/$LIB/" # what ends a thread loads it
    cp "$TREE/etc/mke2fs.conf" "$ROOT/etc/"
    cp "$TREE/etc/iscsi/iscsid.conf" "$ROOT/etc/iscsi/"
    ln -s udevadm "$ROOT/bin/systemd-udevd"
fi

# --- init
printf 'root:x:0:0:root:/root:/bin/sh\n' > "$ROOT/etc/passwd"
cat > "$ROOT/init" << 'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run
mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm
while read -r module; do insmod /modules/"$module" 2>&1 | grep -v 'File exists'; done < /modules/order
exec <>/dev/ttyS1 >&0
stty -F /dev/ttyS1 raw -echo
echo "ready 0 $(base64 -w0 /proc/uptime)"
while read -r id command; do
    echo "$command" | base64 -d > /run/command
    sh /run/command > /run/output 2>&1 < /dev/null
    echo "$id $? $(base64 -w0 /run/output)"
done
INIT
chmod 755 "$ROOT/init"
(cd "$ROOT" && find . -print0 | sort -z | cpio --null -o -H newc --owner=0:0 --quiet) > "$WORK/out/initrd"
rm -rf "$CACHE/guest-$KIND"-* "$CACHE"/guest-????????????????
mv "$WORK/out" "$KEPT"
echo "$KEPT"
