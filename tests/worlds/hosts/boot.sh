# Boot a host: the first process of its new namespaces runs this, and becomes the host's first process. Its root is its
# own disk over what all hosts share, over the machine's root. $1: the host's directory in the rack; $2 and on: what
# first_process.py gets. Linking a file of the shared layer copies its entry only, not its content (metacopy).
set -eu
home=$1
shift
root=$home/root
mount --make-rprivate /
mount -t overlay overlay \
  -o "metacopy=on,lowerdir=/run/bed/base:/,upperdir=$home/disk/upper,workdir=$home/disk/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
[ ! -d /sys/fs/cgroup ] || mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
# Devices of its own: root of a host could remove or replace those of the machine.
mount -t tmpfs -o mode=755,nosuid dev "$root/dev"
while read -r device major minor; do
  mknod -m 666 "$root/dev/$device" c "$major" "$minor"
done <<DEVICES
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
DEVICES
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
# Ray keeps its objects in /dev/shm and wants room for 30 % of the memory it sees, which is the machine's.
mount -t tmpfs -o mode=1777,size=33% shm "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=755 run "$root/run"
cd "$root"
pivot_root . .
umount -l .
exec chroot . /usr/local/bin/python3 -I -S /usr/local/lib/bed/first_process.py "$@"
