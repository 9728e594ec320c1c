/**
 * What the guest is made of: the one place that names Debian's suite, the packages and the kernel modules.
 * Raise {@link RECIPE_REVISION} with every change of the build that its other inputs don't show.
 */

/** Counts changes of the build itself, so that an image made by an earlier one is not taken for a current one. */
export const RECIPE_REVISION = 3;

/** Debian 13. */
export const SUITE = "trixie";

/** Debian's name of the guest's architecture. */
export const ARCHITECTURE = "riscv64";

/**
 * Packages of the root file system. The first group is marked essential in Debian: the others depend on
 * it without saying so, hence it is spelled out. Then what runs the system, then what one expects at a prompt.
 */
export const ROOT_PACKAGES: readonly string[] = words(`
  base-files base-passwd bash bsdutils coreutils dash debianutils diffutils dpkg findutils grep gzip hostname
  init-system-helpers libc-bin login login.defs mawk ncurses-base ncurses-bin perl-base sed sysvinit-utils tar
  util-linux

  dbus e2fsprogs kmod mount passwd procps systemd systemd-sysv tzdata udev

  apt ca-certificates curl debian-archive-keyring iproute2 iputils-ping less nano netbase python3 xz-utils
`);

/** The kernel, by the package that always depends on the suite's current one. */
export const KERNEL_PACKAGE = "linux-image-riscv64";

/** How the package that carries the kernel itself is called: KERNEL_PREFIX, release, `-riscv64`. */
export const KERNEL_PREFIX = "linux-image-";

/** A statically linked busybox: the initrd's only program. */
export const INITRD_PACKAGE = "busybox-static";

/** Path prefixes that are left out of the root: documentation and translations. */
export const EXCLUDED_PATHS: readonly string[] = [
  "usr/share/doc/",
  "usr/share/info/",
  "usr/share/lintian/",
  "usr/share/locale/",
  "usr/share/man/",
];

/** Whether a path of a package (no leading slash) goes into the root. */
export function isWanted(path: string): boolean {
  if (!EXCLUDED_PATHS.some((prefix) => path.startsWith(prefix))) return true;
  return path.endsWith("/copyright") || path.startsWith("usr/share/doc/apt/examples/debian.sources");
}

/**
 * Modules that the initrd may load before the root is mounted. The first ones are always loaded, the keys
 * of `byDevice` are virtio device IDs (virtio 1.3, section 5), those of `byFileSystem` are types of the root.
 */
export const INITRD_MODULES: {
  readonly always: readonly string[];
  readonly byDevice: Readonly<Record<number, string>>;
  readonly byFileSystem: Readonly<Record<string, readonly string[]>>;
} = {
  always: ["virtio_mmio"],
  byDevice: { 1: "virtio_net", 2: "virtio_blk", 4: "virtio_rng", 8: "virtio_scsi" },
  byFileSystem: { ext4: ["crc32c_generic", "ext4"] },
};

/**
 * Where the modules of the root come from, as path prefixes below `kernel/`: virtual devices, file systems,
 * networking and virtualisation. Whatever these depend on comes along; drivers of real hardware don't.
 */
export const MODULE_PREFIXES: readonly string[] = words(`
  arch/ block/ crypto/ lib/ mm/ virt/
  drivers/block/ drivers/cdrom/ drivers/char/hw_random/virtio drivers/crypto/virtio/ drivers/dax/
  drivers/gpu/drm/tiny/ drivers/gpu/drm/virtio/ drivers/gpu/drm/vkms/
  drivers/hid/hid-generic drivers/hid/usbhid/
  drivers/input/evdev drivers/input/misc/uinput drivers/input/mousedev
  drivers/md/ drivers/nvdimm/ drivers/nvme/
  drivers/net/amt drivers/net/bonding/ drivers/net/dummy drivers/net/ethernet/intel/e1000 drivers/net/geneve
  drivers/net/gtp drivers/net/ifb drivers/net/ipvlan/ drivers/net/macsec drivers/net/macvlan drivers/net/macvtap
  drivers/net/net_failover drivers/net/netconsole drivers/net/nlmon drivers/net/tap drivers/net/team/
  drivers/net/tun drivers/net/veth drivers/net/virtio_net drivers/net/vrf drivers/net/vsockmon
  drivers/net/vxlan/ drivers/net/wireguard/
  drivers/scsi/iscsi drivers/scsi/libiscsi drivers/scsi/scsi_transport drivers/scsi/sd_mod drivers/scsi/sg
  drivers/scsi/sr_mod drivers/scsi/virtio_scsi drivers/target/
  drivers/usb/host/xhci drivers/usb/storage/usb-storage
  drivers/vdpa/ drivers/vfio/ drivers/vhost/ drivers/virtio/ drivers/watchdog/softdog
  fs/9p/ fs/autofs/ fs/binfmt_misc fs/btrfs/ fs/configfs/ fs/efivarfs/ fs/erofs/ fs/exfat/ fs/ext4/ fs/fat/
  fs/fuse/ fs/isofs/ fs/jbd2/ fs/lockd/ fs/mbcache fs/netfs/ fs/nfs/ fs/nfs_common/ fs/nls/nls_ascii
  fs/nls/nls_cp437 fs/nls/nls_iso8859-1 fs/nls/nls_utf8 fs/overlayfs/ fs/squashfs/ fs/udf/ fs/xfs/
  net/802/ net/8021q/ net/9p/ net/bridge/ net/core/ net/dns_resolver/ net/ipv4/ net/ipv6/ net/key/ net/l2tp/
  net/llc/ net/mpls/ net/mptcp/ net/netfilter/ net/netlink/ net/nsh/ net/openvswitch/ net/packet/ net/psample/
  net/sched/ net/sunrpc/ net/tls/ net/unix/ net/vmw_vsock/ net/xdp/ net/xfrm/
  sound/virtio/
`);

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
