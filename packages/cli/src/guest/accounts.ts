import type { FileTree } from "./file-tree.ts";

/** An account database in the making. */
interface Accounts {
  readonly users: Map<string, { readonly uid: number; readonly gid: number; readonly rest: string }>;
  readonly groups: Map<string, { readonly gid: number; readonly members: Set<string> }>;
}

/** Highest number that systemd-sysusers hands out; it counts down from here. */
const SYSTEM_ID_MAX = 999;

/**
 * Makes passwd, group, shadow and gshadow: Debian's fixed accounts as base-passwd has them, then those that
 * packages ask for in sysusers.d(5). Root has an empty password, everyone else none that fits.
 * @param day of the last password change, days since 1970.
 */
export function writeAccounts(tree: FileTree, day: number): void {
  const accounts = readMasters(tree);
  for (const line of sysusersLines(tree)) applySysusersLine(accounts, line);
  const users = [...accounts.users];
  const groups = [...accounts.groups];
  const shadowGid = accounts.groups.get("shadow")?.gid ?? 0;
  const secret = { mode: 0o640, gid: shadowGid };

  tree.file(
    "etc/passwd",
    users.map(([name, user]) => `${name}:x:${user.uid}:${user.gid}:${user.rest}\n`).join(""),
  );
  tree.file(
    "etc/group",
    groups.map(([name, { gid, members }]) => `${name}:x:${gid}:${[...members].join()}\n`).join(""),
  );
  tree.file(
    "etc/shadow",
    users.map(([name]) => `${name}:${name === "root" ? "" : "*"}:${day}:0:99999:7:::\n`).join(""),
    secret,
  );
  tree.file(
    "etc/gshadow",
    groups.map(([name, { members }]) => `${name}:*::${[...members].join()}\n`).join(""),
    secret,
  );
  tree.file("etc/subuid", "");
  tree.file("etc/subgid", "");
}

/** The number of a group in the tree's group file. @throws RangeError if there is none. */
export function groupId(tree: FileTree, name: string): number {
  const line = (tree.text("etc/group") ?? "").split("\n").find((text) => text.startsWith(`${name}:`));
  const gid = Number(line?.split(":")[2]);
  if (!Number.isSafeInteger(gid)) throw new RangeError(`the guest has no group ${name}`);
  return gid;
}

function readMasters(tree: FileTree): Accounts {
  const lines = (path: string): string[][] =>
    (tree.text(path) ?? "")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(":"));
  const users: Accounts["users"] = new Map();
  const groups: Accounts["groups"] = new Map();
  for (const [name = "", , uid, gid, ...rest] of lines("usr/share/base-passwd/passwd.master")) {
    users.set(name, { uid: Number(uid), gid: Number(gid), rest: rest.join(":") });
  }
  for (const [name = "", , gid, members = ""] of lines("usr/share/base-passwd/group.master")) {
    groups.set(name, {
      gid: Number(gid),
      members: new Set(members.split(",").filter((member) => member !== "")),
    });
  }
  return { users, groups };
}

/** Words of each line of the packages' sysusers.d files, quoted words in one piece. */
function sysusersLines(tree: FileTree): string[][] {
  return tree.list("usr/lib/sysusers.d").flatMap((name) =>
    (tree.text(`usr/lib/sysusers.d/${name}`) ?? "")
      .split("\n")
      .filter((line) => /^[a-z]/.test(line))
      .map((line) => (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ""))),
  );
}

function applySysusersLine(accounts: Accounts, words: readonly string[]): void {
  const [type = "", name = "", id = "-", comment = "-", home = "-", shell = "-"] = words;
  const { users, groups } = accounts;
  switch (type.charAt(0)) {
    case "g":
      if (!groups.has(name)) groups.set(name, { gid: fixedOrFree(accounts, id), members: new Set() });
      break;
    case "u": {
      if (users.has(name)) break;
      const [fixedUid = "-", fixedGid] = id.split(":");
      const group = groups.get(name);
      const uid = fixedUid === "-" && group !== undefined ? group.gid : fixedOrFree(accounts, fixedUid);
      const gid = fixedGid === undefined ? (group?.gid ?? uid) : Number(fixedGid);
      if (fixedGid === undefined && group === undefined) groups.set(name, { gid, members: new Set() });
      const or = (word: string, fallback: string): string => (word === "-" ? fallback : word);
      users.set(name, {
        uid,
        gid,
        rest: [or(comment, ""), or(home, "/"), or(shell, "/usr/sbin/nologin")].join(":"),
      });
      break;
    }
    case "m":
      groups.get(id)?.members.add(name);
      break;
  }
}

function fixedOrFree({ users, groups }: Accounts, id: string): number {
  if (/^\d+$/.test(id)) return Number(id);
  const taken = new Set(
    [...users.values()].map(({ uid }) => uid).concat([...groups.values()].map(({ gid }) => gid)),
  );
  let free = SYSTEM_ID_MAX;
  while (taken.has(free)) free--;
  return free;
}
