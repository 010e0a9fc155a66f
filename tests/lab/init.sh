#!/bin/sh
# The first process of the lab's kernel. Its root is the host's, read-only; LAB_DIRECTORY (from the kernel's command
# line) is the one directory of the host that it writes. On top of the host's files lies a tmpfs, so that whatever is
# written anywhere else is gone at the end. It runs LAB_DIRECTORY/command there, leaves its exit status in
# LAB_DIRECTORY/status and switches the machine off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
release=$(uname -r)
modules=/usr/lib/uml/modules/$release
root=/run/root

finish() {
    echo "$1" >"$root/lab/status"
    sync
    echo o >"$root/proc/sysrq-trigger"
    sleep 60
}

mount -t tmpfs tmpfs /run
mkdir -p /run/above /run/work $root
insmod "$modules/kernel/fs/overlayfs/overlay.ko"
mount -t overlay overlay -o lowerdir=/,upperdir=/run/above,workdir=/run/work $root
mkdir -p $root/lib/modules $root/lab
ln -s "$modules" "$root/lib/modules/$release"
mount -t hostfs none -o "$LAB_DIRECTORY" $root/lab
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t devtmpfs devtmpfs $root/dev
mkdir -p $root/dev/shm
for directory in run dev/shm; do mount -t tmpfs tmpfs $root/$directory; done
export TMPDIR=/run/tmp # and not /tmp, where the host's own files lie, the project perhaps among them
mkdir $root$TMPDIR

# The kernel loads modules by a program that it starts outside of the chroot, where /lib/modules has none of them.
printf '#!/bin/sh\nexec chroot %s modprobe "$@"\n' $root >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >$root/proc/sys/kernel/modprobe
chroot $root modprobe -a ip_vs veth bridge || finish "no modules"

ip link set lo up
chroot $root /bin/sh /lab/command >$root/lab/output 2>&1 </dev/null
finish $?
