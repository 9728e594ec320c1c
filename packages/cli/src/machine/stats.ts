import type { Vm } from "@isomorph/hypervisor";

/** What `--stats` prints: times of this process, then the machine's counters, one a line. */
export function statsText(vm: Vm, startedAt: number): string {
  const wall = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage();
  const counters = vm.counters();
  const instructions = counters["vm.instructions"] ?? 0;
  const rows: [string, string][] = [
    ["wall seconds", wall.toFixed(3)],
    ["user seconds", (user / 1e6).toFixed(3)],
    ["system seconds", (system / 1e6).toFixed(3)],
    ["instructions per wall second", `${Math.round(instructions / wall)}`],
    ["resident bytes at most", `${process.resourceUsage().maxRSS * 1024}`],
    ...Object.entries(counters)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]): [string, string] => [name, `${value}`]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}
