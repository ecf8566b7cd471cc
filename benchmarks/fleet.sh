#!/usr/bin/env bash
# A fleet of guests from one golden image: clones of a snapshot, attached, booted.
#
#   benchmarks/fleet.sh [nbd] [vhost-user]     default: both       CLONES=20 IMAGE=256 (MiB of data in it) BOOT=20 (how many are booted)
#
# Three node processes and a driver. For each transport: CLONES clones are made with one command and attached with one more; the time
# is that of both, with the start of their JVMs. Then BOOT guests boot on them, two at a time (QEMU emulates the processor): each reads
# the image's first MiB, which must be that of the golden image, and writes 1 MiB of its own. Space per clone is what the cluster says
# the clone holds alone, before and
# after. Needs qemu-system-x86_64, curl, jq and what chaos-tests/guest/build-initramfs.sh needs.
# Ends what it started.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLONES=${CLONES:-20} IMAGE=${IMAGE:-256} BOOT=${BOOT:-20} SIZE=1
(($#)) || set -- nbd vhost-user
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cistern-fleet.XXXXXX")
# shellcheck source=/dev/null
. "$here/peers/cistern.sh"
trap 'trap "" INT TERM; jobs -p | xargs -r kill 2>/dev/null; cistern stop >/dev/null 2>&1; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
guest=$(bash "$here/../chaos-tests/guest/build-initramfs.sh" | tail -n 1) || exit 1

up_cistern || exit 1
api=$(cistern status -o json | jq -r '.nodes[0].api')
head -c "${IMAGE}M" /dev/urandom >"$work/golden.raw"
cistern volume import golden "$work/golden.raw" >/dev/null && cistern snapshot create golden@v1 >/dev/null || exit 1
want=$(head -c 1M "$work/golden.raw" | md5sum | cut -d' ' -f1)

disk() { # disk TRANSPORT NAME SOCKET: QEMU's arguments
    if [ "$1" = nbd ]; then
        echo "-blockdev driver=nbd,node-name=disk,reconnect-delay=60,export=$2,server.type=unix,server.path=$3 -device virtio-blk-pci,drive=disk"
    else
        echo "-chardev socket,id=disk,reconnect=1,path=$3 -device vhost-user-blk-pci,chardev=disk,num-queues=1,disable-legacy=on"
    fi
}
boot() { # boot TRANSPORT NAME SOCKET: boots, reads, writes; prints seconds until it was up, or what was wrong
    local dir=$work/guest-$2 began line code
    mkdir "$dir"
    began=$(date +%s%N)
    mkfifo "$dir/agent.in" "$dir/agent.out"
    # shellcheck disable=SC2046
    timeout 120 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -machine pc,graphics=off,memory-backend=mem \
        -object memory-backend-memfd,id=mem,size=256M,share=on -accel tcg -cpu max -m 256 -kernel "$guest/vmlinuz" -initrd "$guest/initrd" \
        -append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr" -serial "file:$dir/console" \
        -chardev "pipe,id=agent,path=$dir/agent" -serial chardev:agent $(disk "$@") >"$dir/qemu.log" 2>&1 &
    local qemu=$!
    exec 5>"$dir/agent.in" 6<"$dir/agent.out"
    read -r -t 100 line <&6 || { echo "failed: $2 did not boot: $(tail -n 2 "$dir/qemu.log" "$dir/console" | tr '\n' ' ')"; kill "$qemu" 2>/dev/null; return; }
    local up=$((($(date +%s%N) - began) / 1000000))
    echo "c1 $(printf '%s' "test \$(dd if=/dev/vda bs=1M count=1 2>/dev/null | md5sum | cut -d' ' -f1) = $want && dd if=/dev/urandom of=/dev/vda bs=1M seek=8 count=1 oflag=direct 2>&1" | base64 -w0)" >&5
    read -r -t 60 line code _ <&6
    kill "$qemu" 2>/dev/null; wait "$qemu" 2>/dev/null
    exec 5>&- 6<&-
    [ "$code" = 0 ] && echo "$up" || echo "failed: $2 read or wrote wrongly ($line $code)"
}

echo "| transport | clones | clone s | attach s | clone + attach s | bytes per clone | booted | boot ms median | bytes per clone, 1 MiB written |"
echo "|---|---|---|---|---|---|---|---|---|"
for transport in "$@"; do
    names=()
    for ((i = 1; i <= CLONES; i++)); do names+=("${transport%-*}-$i"); done
    t0=$(date +%s%N)
    cistern clone golden@v1 "${names[@]}" >/dev/null || exit 1
    t1=$(date +%s%N)
    cistern attach --transport "$transport" "${names[@]}" -o json >"$work/attached.json" || exit 1
    t2=$(date +%s%N)
    used() { # mean of what the clones hold alone
        local name
        for name in "${names[@]}"; do curl -fsS "$api/v1/volumes/$name" | jq .usedBytes; done | jq -s 'add / length | round'
    }
    before=$(used)
    : >"$work/boots"
    while read -r name socket; do
        boot "$transport" "$name" "$socket" >>"$work/boots" &
        while (($(jobs -rp | wc -l) >= 2)); do wait -n; done
    done < <(jq -r --argjson n "$BOOT" '[.. | objects | select(has("socket"))] | .[:$n][] | "\(.volume) \(.socket)"' "$work/attached.json")
    wait
    grep failed "$work/boots" >&2
    awk -v t="$transport" -v n="$CLONES" -v c=$((t1 - t0)) -v a=$((t2 - t1)) -v b="$before" -v u="$(used)" '!/failed/ { v[++k] = $1 } END {
        for (i = 2; i <= k; i++) { x = v[i]; for (j = i - 1; j > 0 && v[j] > x; j--) v[j + 1] = v[j]; v[j + 1] = x }
        printf "| %s | %d | %.2f | %.2f | %.2f | %s | %d | %d | %s |\n", t, n, c / 1e9, a / 1e9, (c + a) / 1e9, b, k, v[int((k + 1) / 2)], u }' "$work/boots"
    cistern detach "${names[0]}" >/dev/null 2>&1
done
