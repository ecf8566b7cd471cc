#!/usr/bin/env bash
# Builds the demo's root disk: Debian 12 with its own kernel, GRUB, systemd, fio and a small agent
# that runs commands handed over on the second serial port.
#
#   build-disk.sh OUT.img        copies the finished raw image to OUT.img (sparse)
#   build-disk.sh --check        says what this machine lacks; exit 0 when nothing
#   build-disk.sh --install      installs what it lacks with apt-get (as root), after saying so
#
# The disk boots by itself: MBR, GRUB in the gap behind it, one ext4 partition. Nothing is mounted and
# no loop device is used: mke2fs fills the file system from the tree, GRUB's two images are written to
# their sectors. A finished image is kept in $XDG_CACHE_HOME/cistern (default ~/.cache/cistern) under a
# hash of all that goes into it, so that the next demo starts at once.
#
# Environment: CISTERN_DEBIAN_MIRROR  a Debian mirror other than the one apt uses here.
#
# The agent's protocol, one line each way: `ID BASE64(command)` -> `ID EXIT-STATUS BASE64(output)`.
# After boot it says `ready 0 BASE64(seconds since power-on)`.
set -euo pipefail
export LC_ALL=C

SUITE=bookworm
DISK_MIB=1024                # size of the disk
PART_SECTOR=2048             # the partition's first sector: 1 MiB
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/cistern

# command -> package that holds it
NEEDS=(mmdebstrap:mmdebstrap mke2fs:e2fsprogs jq:jq curl:curl
    qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils)

die() { printf 'build-disk: %s\n' "$*" >&2; exit 1; }

missing_packages() {
    local need
    PATH=$PATH:/usr/sbin:/sbin
    for need in "${NEEDS[@]}"; do
        command -v "${need%%:*}" >/dev/null || echo "${need#*:}"
    done
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
}

install_missing() {
    local -a lack
    mapfile -t lack < <(missing_packages)
    [ ${#lack[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        die "needs ${lack[*]} (names as in Debian): install what your system calls them and try again"
    fi
    if [ "$(id -u)" != 0 ]; then
        die "needs ${lack[*]}: run 'sudo apt-get install --no-install-recommends ${lack[*]}' and try again"
    fi
    echo "Installing with apt-get: ${lack[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lack[@]}" >/dev/null 2>&1 ||
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${lack[@]}" >/dev/null; } ||
        die "apt-get could not install ${lack[*]}: install them by hand and try again"
}

# The mirror apt uses here for this suite, else Debian's own.
mirror() {
    local uri=""
    if [ -n "${CISTERN_DEBIAN_MIRROR:-}" ]; then echo "$CISTERN_DEBIAN_MIRROR"; return; fi
    if command -v apt-get >/dev/null; then
        uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
            "Codename: $SUITE" 'Component: main' 'Origin: Debian' 2>/dev/null | head -n 1) || uri=""
    fi
    echo "${uri:-http://deb.debian.org/debian}"
}

# --- what goes into the root file system beside Debian's packages -----------------------------
# All files are written under $1, which mmdebstrap has filled.
customize() {
    local root=$1 kver mod
    kver=$(basename "$(ls -d "$root"/usr/lib/modules/*)")

    echo demo > "$root/etc/hostname"
    printf '127.0.0.1 localhost demo\n' > "$root/etc/hosts"
    printf 'LABEL=root / ext4 defaults,noatime 0 1\n' > "$root/etc/fstab"
    : > "$root/etc/machine-id"
    chroot "$root" passwd -d root >/dev/null
    mkdir -p "$root/srv/load"

    # The agent, started as soon as local file systems are writable.
    cat > "$root/usr/local/sbin/demo-agent" <<'AGENT'
#!/bin/bash
# Runs the commands that arrive on the second serial port, one after the other.
exec <>/dev/ttyS1 >&0
stty -F /dev/ttyS1 raw -echo
read -r up _ < /proc/uptime
printf 'ready 0 %s\n' "$(printf %s "$up" | base64 -w0)"
while read -r id command; do
    out=$(bash -c "$(printf %s "$command" | base64 -d)" 2>&1 </dev/null | base64 -w0; exit "${PIPESTATUS[0]}")
    printf '%s %s %s\n' "$id" "$?" "$out"
done
AGENT
    chmod 755 "$root/usr/local/sbin/demo-agent"
    cat > "$root/etc/systemd/system/demo-agent.service" <<'UNIT'
[Unit]
Description=Runs the demo's commands
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart=/usr/local/sbin/demo-agent
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
    chroot "$root" systemctl -q enable demo-agent.service
    chroot "$root" systemctl -q set-default multi-user.target
    # What a guest without network, screen and users has no use for.
    chroot "$root" systemctl -q mask systemd-timesyncd.service systemd-udev-settle.service \
        systemd-logind.service systemd-user-sessions.service dbus.service getty@tty1.service serial-getty@ttyS0.service \
        systemd-journal-flush.service systemd-update-utmp.service systemd-hwdb-update.service \
        systemd-random-seed.service systemd-binfmt.service apt-daily.timer apt-daily-upgrade.timer \
        dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-pstore.service \
        modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service \
        modprobe@fuse.service modprobe@loop.service sys-kernel-debug.mount sys-kernel-tracing.mount \
        dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount
    mkdir -p "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=volatile\n' > "$root/etc/systemd/journald.conf.d/demo.conf"

    # An initrd with just what finds the root: tiny-initramfs, Debian's smallest.
    mkdir -p "$root/etc/tiny-initramfs"
    printf '%s\n' AUTO_MODULES=no MICROCODE=no 'INCLUDE_MODULES="virtio_pci virtio_blk crc32c_generic ext4"' \
        > "$root/etc/tiny-initramfs/tiny-initramfs.conf"
    chroot "$root" mktirfs -o "/boot/initrd.img-$kver" "$kver"

    # Drivers of hardware that a virtual machine without network never meets, and caches.
    for mod in net drivers/net drivers/infiniband drivers/scsi drivers/hid drivers/usb drivers/gpu drivers/video \
        fs/ceph fs/cifs fs/smb fs/nfs fs/nfsd fs/btrfs fs/xfs fs/ocfs2 fs/gfs2 fs/dlm fs/f2fs fs/jfs fs/reiserfs; do
        rm -rf "$root/usr/lib/modules/$kver/kernel/$mod"
    done
    chroot "$root" depmod "$kver"
    rm -rf "$root"/usr/lib/udev/hwdb.d "$root"/usr/lib/udev/hwdb.bin "$root"/var/cache/* "$root"/var/log/*.log

    # GRUB: its second stage carries the whole boot menu, one entry.
    cat > "$root/boot/grub.early" <<GRUB
serial --unit=0 --speed=115200
terminal_output serial
set root=(hd0,msdos1)
echo "GRUB: loading Debian from the volume"
linux /boot/vmlinuz-$kver root=/dev/vda1 ro console=ttyS0 quiet mitigations=off nokaslr tsc=reliable no_timer_check random.trust_cpu=on systemd.show_status=auto
initrd /boot/initrd.img-$kver
boot
GRUB
    chroot "$root" grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -c /boot/grub.early \
        -o /boot/core.img biosdisk part_msdos ext2 serial terminal echo linux
}

# --- from the tree to the raw disk --------------------------------------------------------------
image() {
    local root=$1 out=$2 boot core
    boot=$root/usr/lib/grub/i386-pc/boot.img
    core=$root/boot/core.img
    [ "$(stat -c %s "$core")" -lt $(((PART_SECTOR - 1) * 512)) ] || die "GRUB's core.img does not fit before the partition"
    rm -f "$out"
    truncate -s "${DISK_MIB}M" "$out"
    # Features that GRUB 2.06 reads, whatever this host's mke2fs would choose.
    MKE2FS_CONFIG=$out.mke2fs.conf
    export MKE2FS_CONFIG
    printf '[defaults]\n base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr\n' > "$MKE2FS_CONFIG"
    printf '[fs_types]\n ext4 = {\n features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize\n }\n' >> "$MKE2FS_CONFIG"
    mke2fs -q -F -t ext4 -b 4096 -I 256 -J size=16 -m 1 -L root -U clear -E "offset=$((PART_SECTOR * 512)),lazy_itable_init=0,root_owner=0:0" \
        -d "$root" "$out" "$((DISK_MIB - 1))M"
    rm -f "$MKE2FS_CONFIG"
    dd if="$boot" of="$out" bs=440 count=1 conv=notrunc status=none
    dd if="$core" of="$out" bs=512 seek=1 conv=notrunc status=none
    # One partition entry (active, type 83) and the signature.
    local sectors=$((DISK_MIB * 2048 - PART_SECTOR))
    { printf '\x80\xfe\xff\xff\x83\xfe\xff\xff'; le32 "$PART_SECTOR"; le32 "$sectors"; } |
        dd of="$out" bs=1 seek=446 conv=notrunc status=none
    printf '\x55\xaa' | dd of="$out" bs=1 seek=510 conv=notrunc status=none
}

le32() {
    local n=$1 i
    for i in 0 8 16 24; do printf '%b' "\\x$(printf %02x $(((n >> i) & 255)))"; done
}

build() {
    local out=$1 tree=$2
    PATH=$PATH:/usr/sbin:/sbin
    mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
        --include=systemd-sysv,udev,fio,linux-image-cloud-amd64,tiny-initramfs,e2fsprogs,kmod,procps,grub-pc-bin \
        --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/x86_64-linux-gnu/gconv/*' \
        --customize-hook="'$HERE/build-disk.sh' --hook-customize \"\$1\"" \
        "$SUITE" "$tree" "$(mirror)" </dev/null
    # Checksums of the system as it was built, for the check after the rollback.
    (cd "$tree" && find boot usr/bin usr/sbin usr/lib/systemd -xdev -type f -print0 | sort -z |
        xargs -0 sha256sum > srv/system.sha256)
    image "$tree" "$out"
}

case ${1:-} in
    --hook-customize) customize "$2"; exit ;;
    --check) lack=$(missing_packages); [ -z "$lack" ] || { echo "missing:" $lack; exit 1; }; exit ;;
    --install) install_missing; exit ;;
    -h | --help | "") sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; [ -n "${1:-}" ] && exit 0 || exit 2 ;;
    -*) die "unknown option $1 (see --help)" ;;
esac

[ "$(uname -m)" = x86_64 ] || die "the demo's guest is x86-64 and this machine is $(uname -m)"
install_missing
OUT=$(realpath -m "$1")
KEY=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
KEPT=$CACHE/demo-disk-$KEY.img
mkdir -p "$CACHE" "$(dirname "$OUT")"
if [ ! -e "$KEPT" ]; then
    PART=$CACHE/.demo-disk.$$.img
    LOG=$CACHE/.demo-disk.$$.log
    TREE=$CACHE/.demo-disk.$$.tree
    trap 'rm -rf --one-file-system "$PART" "$PART.mke2fs.conf" "$LOG" "$TREE"' EXIT
    trap 'exit 130' INT TERM
    [ "$(id -u)" = 0 ] || die "building the disk needs root (mmdebstrap and owners of files): run it with sudo"
    build "$PART" "$TREE" >"$LOG" 2>&1 || { tail -n 20 "$LOG" >&2; die "could not build the disk (the last lines are above)"; }
    rm -f "$CACHE"/demo-disk-*.img
    mv "$PART" "$KEPT"
fi
cp --sparse=always --reflink=auto "$KEPT" "$OUT"
