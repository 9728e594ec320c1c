import { homedir } from "node:os";
import { join } from "node:path";
import { buildDebianGuest, type DebianGuest } from "../../packages/cli/src/guest/debian.ts";
import type { Benchmark } from "./benchmark.ts";
import { isomorph } from "./programs.ts";

const cacheDir = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "isomorph");
const commandLine = "console=ttyS0 rdinit=/bin/sh";
/** What the shell of the initial RAM file system says when it has no terminal of its own: the boot is over. */
const shellIsThere = "can't access tty";

let guest: DebianGuest | undefined;

function images(): DebianGuest {
  if (guest === undefined) throw new TypeError("the guest is not built yet");
  return guest;
}

/** From power-on to the shell: mostly code that runs a few times only. */
export const boot: Benchmark = {
  name: "boot",
  peer: "QEMU TCG",
  description:
    "Debian's kernel to the shell of its initial RAM file system, same kernel, initrd and command line",
  metric: "user",
  rounds: 5,
  limit: 120,
  async prepare() {
    guest = await buildDebianGuest({ cacheDir });
  },
  ours() {
    const { kernel, initrd } = images();
    const argv = ["run", "--no-tty", "--memory", "1G", "--kernel", kernel, "--initrd", initrd];
    return { ...isomorph([...argv, "--append", commandLine]), until: shellIsThere };
  },
  theirs() {
    const { kernel, initrd } = images();
    const machine = ["qemu-system-riscv64", "-M", "virt", "-m", "1G", "-nographic"];
    return {
      argv: [...machine, "-kernel", kernel, "-initrd", initrd, "-append", commandLine],
      until: shellIsThere,
    };
  },
};
