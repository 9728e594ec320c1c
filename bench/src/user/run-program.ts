// Runs a static program for Linux on riscv64: run-program.ts PROGRAM [ARGUMENT]...
import { readFileSync, writeSync } from "node:fs";
import { LinuxProgram } from "./linux-program.ts";

const [path, ...rest] = process.argv.slice(2);
if (path === undefined) throw new TypeError("which program?");
const program = new LinuxProgram({
  file: readFileSync(path),
  args: [path, ...rest],
  memorySize: 256 << 20,
  write: (descriptor, bytes) => {
    for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
  },
});
const status = program.run();
if (process.env.ISOMORPH_COUNTERS !== undefined) console.error(program.counters());
// Compilations that are still under way would only be waited for.
process.exit(status);
