import type { ProcessorFactory } from "@isomorph/cpu";
import type { Clock, Device, DeviceFactory, Log } from "@isomorph/interface";
import type { HtifOptions } from "./htif.ts";
import type { ImageSource } from "./loader/machine-images.ts";
import { MEMORY_MAP } from "./machine/memory-map.ts";
import type { DebugConsole } from "./sbi/contract.ts";
import type { HartThreads } from "./threads/hart-threads.ts";

/** Device factories by the name of the device. */
export type DeviceFactories = { readonly [name: string]: DeviceFactory<Device> };

/** The devices that those factories make, by the same names. */
export type DevicesOf<F extends DeviceFactories> = { readonly [K in keyof F]: ReturnType<F[K]> };

/**
 * What a machine is made of. Images that are given as bytes are kept as long as the machine lives and must not be changed
 * meanwhile. Functions that give them are called at each power-on, and nothing of what they gave is kept.
 */
export interface VmConfig<F extends DeviceFactories = DeviceFactories> {
  /** Makes the processor: `riscv64()`. */
  readonly cpu: ProcessorFactory;
  /** Number of harts, 1 to 8. Default 1. */
  readonly harts?: number | undefined;
  /**
   * Runs each hart in a thread of its own: `nodeThreads()` of `@isomorph/hypervisor/node`, or `webThreads()` of
   * `@isomorph/hypervisor/web` on a page that is cross-origin isolated. Needs `clock: "host"`. Default: all harts
   * take turns on this thread.
   */
  readonly threads?: HartThreads | undefined;
  /**
   * Bytes of RAM: a multiple of 4096, 64 KiB or more, less than 16 GiB. Some 4 GiB and more need an engine with WebAssembly
   * memories of 64-bit addresses, such as Node.js 24 and Chromium 133. Default 1 GiB.
   */
  readonly memory?: number | undefined;
  /** A RISC-V Linux Image or ELF64 executable, also compressed with gzip. It starts in S-mode. */
  readonly kernel?: ImageSource | undefined;
  /** Initial RAM disk for the kernel. */
  readonly initrd?: ImageSource | undefined;
  /** Kernel command line: `/chosen/bootargs`. Default empty. */
  readonly cmdline?: string | undefined;
  /**
   * M-mode firmware, such as OpenSBI's `fw_dynamic.bin`: an ELF64 executable or a raw binary for the start of RAM.
   * It gets the hart's number in a0, the device tree in a1, and OpenSBI's `struct fw_dynamic_info` in a2.
   * Default: the VMM serves the SBI itself.
   */
  readonly firmware?: ImageSource | undefined;
  /** The devices, by name. The first UART is the console. */
  readonly devices?: F | undefined;
  /** How virtio devices are attached. Default `pci`. */
  readonly transport?: "pci" | "mmio" | undefined;
  /**
   * The machine's time. `host` (the default): time passes as for the host. `instructions`: time is made of executed
   * instructions, so two runs with the same input, seed and synchronous devices are the same to the last instruction.
   */
  readonly clock?: "host" | "instructions" | Clock | undefined;
  /** Takes log lines. Default: silence. */
  readonly log?: Log | undefined;
  /** Seed for the guest's random numbers, 1 to 64 bytes. Default: fresh from the host at every start of the machine. */
  readonly rngSeed?: Uint8Array | undefined;
  /** What a reset by the guest does: start the machine again, or end the run. Default `restart`. */
  readonly onReset?: "restart" | "return" | undefined;
  /** The console of the SBI that the VMM serves. Default: the first UART. */
  readonly debugConsole?: DebugConsole | undefined;
  /** Serves the host-target interface of RISC-V test programs. */
  readonly htif?: HtifOptions | undefined;
  /** Aborts `createVm`; the machine itself is stopped by the signal given to `run`. */
  readonly signal?: AbortSignal | undefined;
}

/** The least RAM that holds a device tree and a program. */
const SMALLEST_MEMORY = 64 << 10;

/** Checks the numbers and choices of a configuration, and fills in the defaults. Throws TypeError or RangeError. */
export function checkConfig(config: VmConfig): { harts: number; memory: number } {
  const { harts = 1, memory = 1 << 30, rngSeed, cmdline = "" } = config;
  if (typeof config.cpu !== "function")
    throw new TypeError("cpu must be a processor factory, such as riscv64()");
  if (!Number.isInteger(harts) || harts < 1 || harts > 8)
    throw new RangeError(`harts must be 1 to 8, got ${harts}`);
  if (!Number.isSafeInteger(MEMORY_MAP.ram + memory) || memory < SMALLEST_MEMORY || memory % 4096 !== 0) {
    throw new RangeError(
      `memory must be a multiple of 4096 bytes and at least ${SMALLEST_MEMORY}, got ${memory}`,
    );
  }
  for (const name of ["kernel", "initrd", "firmware", "rngSeed"] as const) {
    const value: unknown = config[name];
    if (value === undefined || value instanceof Uint8Array) continue;
    if (name === "rngSeed") throw new TypeError(`${name} must be a Uint8Array, got ${typeof value}`);
    if (typeof value !== "function") {
      throw new TypeError(`${name} must be a Uint8Array or a function that gives one, got ${typeof value}`);
    }
  }
  if (config.kernel === undefined && config.firmware === undefined) {
    throw new TypeError("a machine needs a kernel, or firmware, to execute");
  }
  if (config.initrd !== undefined && config.kernel === undefined)
    throw new TypeError("an initrd needs a kernel");
  if (rngSeed !== undefined && (rngSeed.length < 1 || rngSeed.length > 64)) {
    throw new RangeError(`rngSeed must have 1 to 64 bytes, got ${rngSeed.length}`);
  }
  if (cmdline.includes("\0")) throw new RangeError("cmdline must not contain NUL");
  if (cmdline.length > 4096)
    throw new RangeError(`cmdline must have at most 4096 characters, got ${cmdline.length}`);
  checkChoice("transport", config.transport, ["pci", "mmio"]);
  checkChoice("onReset", config.onReset, ["restart", "return"]);
  if (config.threads !== undefined && (config.clock ?? "host") !== "host") {
    throw new TypeError('threads need clock: "host": each of them reads it by itself');
  }
  if (typeof config.clock !== "object") checkChoice("clock", config.clock, ["host", "instructions"]);
  return { harts, memory };
}

function checkChoice(name: string, value: string | undefined, choices: readonly string[]): void {
  if (value !== undefined && !choices.includes(value)) {
    throw new TypeError(
      `${name} must be ${choices.map((choice) => `"${choice}"`).join(" or ")}, got ${String(value)}`,
    );
  }
}
