import { UsageError } from "../command/failure.ts";

/** The ports of the agent. The script's comes last: when the guest knows its name, it knows the others'. */
export const AGENT_PORTS = {
  control: "isomorph.control",
  stdin: "isomorph.stdin",
  stdout: "isomorph.stdout",
  stderr: "isomorph.stderr",
  script: "isomorph.script",
} as const;

/**
 * The guest's first program, given on the kernel's command line: a shell that waits for the port of the script and runs
 * what comes out of it. It needs nothing in the root file system but `sh`, `mount` and `sleep`. The kernel takes only
 * double quotes and 1024 characters in all, so it is short and has none.
 */
const FIRST_PROGRAM = [
  "[ -e /dev/null ] || mount -t devtmpfs d /dev",
  "[ -e /sys/class ] || mount -t sysfs s /sys",
  `while :; do for p in /sys/class/virtio-ports/*; do [ -e $p/name ] && read n <$p/name && [ $n = isomorph.script ] && . /dev/\${p##*/}`,
  "done",
  "sleep 0.1",
  "done",
].join("; ");

/** Characters that Linux on RISC-V keeps of its command line (COMMAND_LINE_SIZE), the closing zero not counted. */
const COMMAND_LINE_LIMIT = 1023;

/**
 * Completes a kernel command line so that the guest runs the agent's script as its first process: as `init` where there
 * is a root file system, else as `rdinit` of the initrd.
 */
export function agentCommandLine(cmdline: string): string {
  const taken = cmdline.split(/\s+/).find((word) => word === "--" || /^(rd)?init=/.test(word));
  if (taken !== undefined) {
    throw new UsageError(
      `--exec sets the first process itself: leave "${taken}" out of --append, or leave --exec out`,
    );
  }
  const init = /(^|\s)root=/.test(cmdline) ? "init" : "rdinit";
  const whole = `${cmdline} panic=-1 ${init}=/bin/sh -- -c "${FIRST_PROGRAM}"`.trim();
  if (whole.length > COMMAND_LINE_LIMIT) {
    throw new UsageError(
      `--append has ${cmdline.length} characters; with --exec it may have ${cmdline.length - whole.length + COMMAND_LINE_LIMIT}`,
    );
  }
  return whole;
}
