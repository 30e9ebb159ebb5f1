#!/bin/sh
# Runs as the first process of new mount, PID and network namespaces: enters the root file system and becomes the engine.
# inside.sh ROOT CGROUP FOLDER SHARED...: ROOT is the engine's own and read-only; FOLDER, where it works, and the others are
# shared with the outside under the same paths.
set -eu
root=$1 cgroup=$2 folder=$3
shift 2

mount --make-rprivate /
# Changes to ROOT are kept in memory and vanish with the namespace.
mount -t tmpfs -o mode=755 tmpfs "$folder/scratch"
mkdir "$folder/scratch/upper" "$folder/scratch/work" "$folder/scratch/root"
new=$folder/scratch/root
mount -t overlay -o "lowerdir=$root,upperdir=$folder/scratch/upper,workdir=$folder/scratch/work" overlay "$new"
mkdir -p "$new/old" "$new/var/lib/docker"
mount -t proc proc "$new/proc"
mount --rbind /sys "$new/sys"
mount --rbind /dev "$new/dev"
mount -t tmpfs tmpfs "$new/run"
for shared in "$@"; do
    mkdir -p "$new$shared"
    mount --bind "$shared" "$new$shared"
done
mount --bind "$(readlink -f "$folder/data")" "$new/var/lib/docker"
rm -f "$new/etc/resolv.conf"
echo "nameserver 10.0.2.3" >"$new/etc/resolv.conf" # slirp4netns forwards to the resolver outside
cd "$new"
pivot_root . old
cd /
umount -l /old
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin

ip link set lo up
tries=0
until ip -4 -brief address show tap0 2>/dev/null | grep -q 10.0.2; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || { echo "slirp4netns did not set up tap0." >&2; exit 1; }
    sleep 0.05
done
echo 1 >/proc/sys/net/ipv4/ip_forward
exec tini -- dockerd --host "unix://$folder/docker.sock" --storage-driver overlay2 --dns 10.0.2.3 \
    --cgroup-parent "/$cgroup" --shutdown-timeout 5
