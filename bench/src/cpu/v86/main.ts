/**
 * Runs v86 under Node with its first serial port on standard input and output: `main.ts FOLDER BIOS KERNEL INITRD
 * CMDLINE`, with the folder of v86's npm package or a checkout that was built.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { modulePath, wasmPath } from "./files.ts";

/** What is used of it (v86.d.ts). */
interface V86Module {
  readonly V86: new (
    options: Readonly<Record<string, unknown>>,
  ) => {
    add_listener(event: "serial0-output-byte", listener: (byte: number) => void): void;
    serial0_send(text: string): void;
  };
}

const [folder = "", bios = "", kernel = "", initrd = "", cmdline = ""] = process.argv.slice(2);

const image = async (path: string): Promise<{ buffer: ArrayBuffer }> => ({
  buffer: new Uint8Array(await readFile(path)).buffer,
});
const { V86 } = (await import(pathToFileURL(join(folder, modulePath)).href)) as V86Module;
const machine = new V86({
  wasm_path: join(folder, wasmPath),
  memory_size: 2 ** 30,
  vga_memory_size: 2 ** 20,
  bios: await image(bios),
  bzimage: await image(kernel),
  initrd: await image(initrd),
  cmdline,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
  autostart: true,
});

// A line at a time, or what there is when the guest rests.
let line = "";
const flush = (): void => {
  if (line !== "") process.stdout.write(line, "latin1");
  line = "";
};
machine.add_listener("serial0-output-byte", (byte) => {
  if (line === "") setTimeout(flush, 1);
  line += String.fromCharCode(byte);
  if (byte === 0x0a) flush();
});
process.stdin.on("data", (bytes: Buffer) => machine.serial0_send(bytes.toString("latin1")));
