/** Debian with more than 4 GiB of RAM. */
import { beforeAll, expect, test } from "vitest";
import { isomorph } from "./support/command.ts";
import { BUILD_SECONDS, debianGuest } from "./support/debian.ts";

beforeAll(async () => {
  await debianGuest();
}, BUILD_SECONDS * 1000);

/**
 * A page of 1 GiB, which the kernel takes from the top of RAM: fills it and finds what it has put there, reads a file from the
 * disk into it and writes another from it, without the kernel's buffers. Prints the distance of the page from the start of
 * RAM in GiB, and whether both files are right.
 */
const PROGRAM = `
import ctypes, hashlib, mmap, os, struct
size = 1 << 30
area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000 | (30 << 26))
for at in range(0, size, 1 << 20): area[at:at + 8] = struct.pack("<Q", at * 7 + 1)
assert all(struct.unpack("<Q", area[at:at + 8])[0] == at * 7 + 1 for at in range(0, size, 1 << 20))
with open("/proc/self/pagemap", "rb") as pages:
    pages.seek(ctypes.addressof(ctypes.c_char.from_buffer(area)) // 4096 * 8)
    frame = struct.unpack("<Q", pages.read(8))[0] & ((1 << 55) - 1)
print((frame * 4096 - 0x80000000) / 2**30)
digest = lambda data: hashlib.sha256(data).hexdigest()
name = os.path.realpath("/usr/bin/python3")
length = os.readv(os.open(name, os.O_RDONLY | os.O_DIRECT), [memoryview(area)[:64 << 20]])
print(digest(area[:length]) == digest(open(name, "rb").read()))
target = os.open("/root/copy", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
os.writev(target, [memoryview(area)[:4 << 20]])
print(digest(open("/root/copy", "rb").read()) == digest(area[:4 << 20]))
`;

test("boots with 6 GiB, has them, and its disk reaches them", { timeout: 300_000 }, async () => {
  const command = `grep MemTotal /proc/meminfo; python3 -c '${PROGRAM}'`;
  const { code, stdout, stderr } = await isomorph(
    [
      ...["start", "--ephemeral", "--memory", "6G"],
      ...["--append", "hugepagesz=1G hugepages=1", "--exec", command],
    ],
    { seconds: 240 },
  );
  expect(stderr).toBe("");
  const [total, distance, ...files] = stdout.toString().trim().split("\n");
  expect(Number(/\d+/.exec(total ?? "")?.[0]) * 1024).toBeGreaterThan(5.5 * 2 ** 30);
  expect(Number(distance)).toBeGreaterThanOrEqual(4);
  expect(files).toEqual(["True", "True"]);
  expect(code).toBe(0);
});
