import { groupId, writeAccounts } from "./accounts.ts";
import { writeAlternatives } from "./alternatives.ts";
import { guestError } from "./errors.ts";
import type { FileTree } from "./file-tree.ts";

/** Name of the guest, and label of its root file system. */
export const GUEST_NAME = "isomorph";

/**
 * Brings an unpacked tree into the state that the packages' maintainer scripts would have left, without
 * running any of them: they are riscv64 programs' business, and the host may be anything.
 * @param time of the newest file in the packages, seconds since 1970.
 */
export function configureSystem(tree: FileTree, time: number): void {
  writeAccounts(tree, Math.floor(time / 86400));
  configureBase(tree);
  configurePam(tree);
  configureCertificates(tree);
  configureApt(tree);
  configureSystemd(tree, time);
  writeAlternatives(tree);
}

/** What base-files, libc-bin, debianutils, readline-common, kmod, tzdata and others do. */
function configureBase(tree: FileTree): void {
  const copies = [
    ["usr/share/base-files/dot.profile", "root/.profile"],
    ["usr/share/base-files/dot.bashrc", "root/.bashrc"],
    ["usr/share/base-files/profile", "etc/profile"],
    ["usr/share/base-files/motd", "etc/motd"],
    ["usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf"],
    ["usr/share/readline/inputrc", "etc/inputrc"],
  ] as const;
  for (const [from, to] of copies) {
    if (!tree.copy(from, to)) throw guestError("ERR_GUEST_ARCHIVE", `the packages lack /${from}`);
  }
  for (const folder of [
    "mnt",
    "srv",
    "opt",
    "etc/opt",
    "var/opt",
    "media",
    "usr/local",
    "proc",
    "sys",
    "dev",
    "run",
  ]) {
    tree.directory(folder);
  }
  for (const folder of [
    "bin",
    "etc",
    "games",
    "include",
    "lib",
    "libexec",
    "sbin",
    "share",
    "share/man",
    "src",
  ]) {
    tree.directory(`usr/local/${folder}`);
  }
  tree.directory("usr/local/lib/python3.13/dist-packages");
  tree.directory("usr/local/share/ca-certificates");
  tree.directory("root", { mode: 0o700 });
  tree.directory("run/lock", { mode: 0o1777 });
  for (const [link, target] of [
    ["var/run", "/run"],
    ["var/lock", "/run/lock"],
  ] as const) {
    tree.remove(link);
    tree.symlink(link, target);
  }
  tree.directory("var/mail", { mode: 0o2775, gid: groupId(tree, "mail") });
  if (!tree.has("var/spool/mail")) tree.symlink("var/spool/mail", "../mail");
  tree.symlink("usr/local/man", "share/man");
  tree.symlink("etc/dpkg/origins/default", "debian");
  const utmp = groupId(tree, "utmp");
  for (const name of ["wtmp", "lastlog"]) tree.file(`var/log/${name}`, "", { mode: 0o664, gid: utmp });
  tree.file("var/log/btmp", "", { mode: 0o660, gid: utmp });

  const shells = tree
    .list("usr/share/debianutils/shells.d")
    .map((name) => `usr/share/debianutils/shells.d/${name}`);
  tree.file(
    "etc/shells",
    ["usr/share/debianutils/shells", ...shells].map((path) => tree.text(path) ?? "").join(""),
  );
  tree.file("etc/hostname", `${GUEST_NAME}\n`);
  tree.file(
    "etc/hosts",
    `127.0.0.1\tlocalhost\n127.0.1.1\t${GUEST_NAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n`,
  );
  tree.file("etc/fstab", `LABEL=${GUEST_NAME}\t/\text4\tdefaults\t0\t1\n`);
  tree.file("etc/resolv.conf", "");
  tree.file("etc/environment", "");
  tree.file("etc/modules", "# Modules to load at boot, one a line.\n");
  tree.symlink("etc/modules-load.d/modules.conf", "../modules");
  tree.symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
  tree.file("etc/timezone", "Etc/UTC\n");
  tree.file("etc/locale.conf", "LANG=C.UTF-8\n");
  tree.symlink("etc/default/locale", "../locale.conf");
  for (const name of ["poweroff", "reboot", "halt"]) {
    tree.file(`usr/local/sbin/${name}`, withoutInit(name), { mode: 0o755 });
  }
}

/** With a shell as the first process there is no service manager to ask, so these act themselves. */
function withoutInit(name: string): string {
  return `#!/bin/sh
if [ ! -d /run/systemd/system ] && [ "$1" != -f ]; then
	sync
	mount -o remount,ro / 2>/dev/null
	set -- -f "$@"
fi
exec /usr/sbin/${name} "$@"
`;
}

/** What pam-auth-update makes of its templates with the profile "unix" alone. */
function configurePam(tree: FileTree): void {
  const permit = "[default=1]\t\t\tpam_permit.so";
  const modules: Readonly<Record<string, string>> = {
    auth_primary: "auth\t[success=1 default=ignore]\tpam_unix.so nullok",
    account_primary: "account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so",
    password_primary: "password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt",
    session_primary: `session\t${permit}`,
    session_nonint_primary: `session\t${permit}`,
    session_additional: "session\trequired\tpam_unix.so",
    session_nonint_additional: "session\trequired\tpam_unix.so",
  };
  for (const name of ["account", "auth", "password", "session", "session-noninteractive"]) {
    const template = tree.text(`usr/share/pam/common-${name}`);
    if (template === undefined)
      throw guestError("ERR_GUEST_ARCHIVE", `the packages lack PAM's common-${name}`);
    const text = template.replace(/^\$(\w+)\n/gm, (_, slot: string) =>
      slot in modules ? `${modules[slot]}\n` : "",
    );
    tree.file(`etc/pam.d/common-${name}`, text);
  }
  tree.change("usr/sbin/unix_chkpwd", { mode: 0o2755, gid: groupId(tree, "shadow") });
}

/** What update-ca-certificates does, with the bundle also where OpenSSL looks first instead of hashed links. */
function configureCertificates(tree: FileTree): void {
  const folder = "usr/share/ca-certificates";
  const names = tree.list(`${folder}/mozilla`).filter((name) => name.endsWith(".crt"));
  if (names.length === 0) throw guestError("ERR_GUEST_ARCHIVE", "the packages lack certificates");
  const bundle = names
    .map((name) => `${(tree.text(`${folder}/mozilla/${name}`) ?? "").trimEnd()}\n`)
    .join("");
  tree.file("etc/ca-certificates.conf", names.map((name) => `mozilla/${name}\n`).join(""));
  tree.file("etc/ssl/certs/ca-certificates.crt", bundle);
  for (const name of names)
    tree.symlink(`etc/ssl/certs/${name.replace(/\.crt$/, ".pem")}`, `/${folder}/mozilla/${name}`);
  tree.symlink("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt");
}

/** The archives that Debian itself proposes, as apt's own example has them. */
function configureApt(tree: FileTree): void {
  const example = tree.text("usr/share/doc/apt/examples/debian.sources");
  if (example !== undefined) {
    const text = example.replace(/^#.*\n/gm, "").replace(/^(Components: main).*$/gm, "$1");
    tree.file("etc/apt/sources.list.d/debian.sources", text);
  }
}

/**
 * Units that are enabled, the buses' and accounts' details, and the marks by which systemd knows that nothing
 * of its first-boot work is left to do. Gettys come up by systemd's own generator on whatever the console is.
 */
function configureSystemd(tree: FileTree, time: number): void {
  const enabled = [
    ["multi-user.target.wants", "remote-fs.target"],
    ["sysinit.target.wants", "systemd-pstore.service"],
  ] as const;
  for (const [wants, unit] of enabled)
    tree.symlink(`etc/systemd/system/${wants}/${unit}`, `/usr/lib/systemd/system/${unit}`);

  const messagebus = groupId(tree, "messagebus");
  const launcher = "usr/lib/dbus-1.0/dbus-daemon-launch-helper";
  if (tree.change(launcher, { mode: 0o4754, gid: messagebus })) {
    tree.file("var/lib/dpkg/statoverride", `root messagebus 4754 /${launcher}\n`);
  }
  // Empty, not absent: systemd then makes an identity at each first start without taking it for a first boot.
  tree.file("etc/machine-id", "", { mode: 0o444 });
  tree.symlink("var/lib/dbus/machine-id", "/etc/machine-id");
  tree.directory("var/log/journal", { mode: 0o2755, gid: groupId(tree, "systemd-journal") });
  tree.directory("usr", { mtime: time });
  const mark = `# Nothing is left to update since\nTIMESTAMP_NSEC=${time}000000000\n`;
  tree.file("etc/.updated", mark, { mtime: time });
  tree.file("var/.updated", mark, { mtime: time });
}
