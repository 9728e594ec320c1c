import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { GenuineSources } from "./compile.ts";
import { TableUsageError } from "./options.ts";
import { modulePath, wasmPath } from "./v86/files.ts";

const ADVICE: ReadonlyMap<string, string> = new Map([
  [
    "qemu",
    "on Debian and its relatives: apt-get install qemu-system-misc; or --emulators isomorph for no peer",
  ],
  ["chromium", "on Debian and its relatives: apt-get install chromium; or --chromium PROGRAM"],
]);

/** @throws TableUsageError when there is no such program, telling what to do about it. */
export function requireProgram(emulator: string, program: string): void {
  if (hasProgram(program)) return;
  const advice = ADVICE.get(emulator) ?? "give the path of a program";
  throw new TableUsageError(`${emulator}: there is no program ${program} (${advice})`);
}

/** @throws TableUsageError when a folder does not hold the sources that it is said to. */
export function requireSources({ coremark, dhrystone }: GenuineSources): void {
  const needed = [
    { title: "CoreMark", folder: coremark, files: ["core_main.c", "posix/core_portme.c"] },
    { title: "Dhrystone 2.1", folder: dhrystone, files: ["dhry.h", "dhry_1.c", "dhry_2.c"] },
  ];
  for (const { title, folder, files } of needed) {
    if (folder === undefined) continue;
    const missing = files.filter((file) => !existsSync(join(folder, file)));
    if (missing.length > 0)
      throw new TableUsageError(`${folder} is no folder of ${title}: it has no ${missing.join(", no ")}`);
  }
}

/** @throws TableUsageError when a folder is none of v86. */
export function requireV86(folder: string): void {
  const missing = [modulePath, wasmPath].filter((path) => !existsSync(join(folder, path)));
  if (missing.length > 0)
    throw new TableUsageError(`${folder} is no folder of v86: it has no ${missing.join(", no ")}`);
}

/** Whether there is a program of this name or path. */
export function hasProgram(program: string): boolean {
  const folders = program.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  return folders.some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
