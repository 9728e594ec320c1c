import { writeCpio } from "./cpio.ts";
import { FileTree } from "./file-tree.ts";
import { type KernelModule, loadOrder } from "./kernel-modules.ts";
import { INITRD_MODULES } from "./packages.ts";

/** The applets of busybox that the script below calls. */
const APPLETS = ["sh", "cat", "findfs", "insmod", "ls", "mkdir", "mount", "sleep", "switch_root"];

/**
 * The initrd's only process. It honours what the kernel's own mounting code does (kernel-parameters.txt):
 * root=, rootfstype=, rootflags=, rootwait, rootdelay=, ro, rw, init=; root= may be a device, UUID= or LABEL=.
 * With `rescue` on the command line a failure ends in a shell, otherwise in the kernel's panic.
 */
const INIT = `#!/bin/sh
export PATH=/bin
mount -t devtmpfs -o mode=0755 dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=0755,nosuid,nodev run /run

root= fstype=ext4 flags= mode=ro init= wait=10 delay= rescue=
set -f
for word in $(cat /proc/cmdline); do
  case $word in
    root=*) root=\${word#root=} ;;
    rootfstype=*) fstype=\${word#rootfstype=} ;;
    rootflags=*) flags=\${word#rootflags=} ;;
    rootdelay=*) delay=\${word#rootdelay=} ;;
    rootwait) wait=forever ;;
    rootwait=*) wait=\${word#rootwait=} ;;
    ro|rw) mode=$word ;;
    init=*) init=\${word#init=} ;;
    rescue) rescue=yes ;;
  esac
done
set +f

fail() {
  echo "initrd: $*"
  echo "initrd: block devices: $(ls /sys/class/block)"
  if [ "$rescue" ]; then
    /bin/busybox --install -s /bin
    echo "initrd: a shell, for the command line says rescue; leave it to panic"
    sh
  fi
  exit 1
}

load() {
  while read -r module; do
    [ -e "/sys/module/$module" ] || insmod "/lib/modules/$module.ko" || echo "initrd: cannot load $module"
  done <"/lib/modules/$1"
}

probe() {
  for device in /sys/bus/virtio/devices/*; do
    [ -e "$device/device" ] && [ ! -e "$device/driver" ] || continue
    list=virtio-$(($(cat "$device/device")))
    [ -e "/lib/modules/$list" ] && load "$list"
  done
}

find_root() {
  case $root in
    UUID=*|LABEL=*) device=$(findfs "$root" 2>/dev/null) || device= ;;
    *) device=$root ;;
  esac
  [ "$device" ] && [ -b "$device" ]
}

load always
# A virtio console is there only now; a machine may also have none.
console=
if (: <>/dev/console) 2>/dev/null; then
  console="-c /dev/console"
  exec <>/dev/console >&0 2>&0
fi
[ -e "/lib/modules/fs-$fstype" ] && load "fs-$fstype"
[ "$delay" ] && sleep "$delay"
probe
[ "$root" ] || fail "no root= on the command line"
tenths=0
until find_root; do
  [ "$wait" = forever ] || [ "$tenths" -lt "$((wait * 10))" ] || fail "no such root device: $root (waited $wait s)"
  sleep 0.1
  tenths=$((tenths + 1))
  probe
done

mount -t "$fstype" -o "$mode\${flags:+,$flags}" "$device" /root || fail "cannot mount $device as $fstype"
if [ "$init" ]; then
  [ -x "/root$init" ] || [ -L "/root$init" ] || fail "init=$init: not in the root file system"
else
  for init in /sbin/init /etc/init /bin/init /bin/sh; do
    [ -x "/root$init" ] || [ -L "/root$init" ] && break
  done
fi
for folder in dev proc sys run; do
  [ -d "/root/$folder" ] || mkdir "/root/$folder" || fail "the root file system has no /$folder"
  mount -o move "/$folder" "/root/$folder"
done
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec /bin/switch_root $console /root "$init" "$@"
`;

/**
 * Composes the initial RAM file system: busybox, the script above, and the modules it may need. It is left
 * uncompressed: the kernel would spend more on inflating it than a host does on reading it.
 */
export function buildInitramfs(
  busybox: Uint8Array,
  modules: readonly KernelModule[],
  mtime: number,
): Uint8Array {
  const tree = new FileTree(mtime);
  for (const folder of ["bin", "dev", "lib/modules", "proc", "root", "run", "sys"]) tree.directory(folder);
  tree.add("dev/console", { kind: "character", major: 5, minor: 1, mode: 0o600, uid: 0, gid: 0, mtime });
  tree.file("init", INIT, { mode: 0o755 });
  tree.file("bin/busybox", busybox, { mode: 0o755 });
  for (const applet of APPLETS) tree.symlink(`bin/${applet}`, "busybox");
  const list = (name: string, wanted: readonly string[]): void => {
    const order = loadOrder(modules, wanted);
    for (const module of order) tree.file(`lib/modules/${module.name}.ko`, module.bytes);
    tree.file(`lib/modules/${name}`, order.map((module) => `${module.name}\n`).join(""));
  };
  list("always", INITRD_MODULES.always);
  for (const [device, module] of Object.entries(INITRD_MODULES.byDevice)) list(`virtio-${device}`, [module]);
  for (const [type, wanted] of Object.entries(INITRD_MODULES.byFileSystem)) list(`fs-${type}`, wanted);
  return writeCpio(tree);
}
