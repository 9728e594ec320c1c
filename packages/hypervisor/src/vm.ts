import type { Hart } from "@isomorph/cpu";
import type { Device, GuestMemory, MaybePromise } from "@isomorph/interface";
import { embedderClock, hostClock, instructionClock, type Timebase } from "./clock.ts";
import { checkConfig, type DeviceFactories, type DevicesOf, type VmConfig } from "./config.ts";
import type { MachineDispatcher } from "./dispatcher/contract.ts";
import { Dispatcher } from "./dispatcher/dispatcher.ts";
import { type EventLoop, hostEventLoop } from "./dispatcher/event-loop.ts";
import { HartState } from "./dispatcher/hart-state.ts";
import { VmError } from "./errors.ts";
import { Htif } from "./htif.ts";
import { interpreterRoutines } from "./interpreter-routines.ts";
import { type BootImages, placeImages } from "./loader/boot-images.ts";
import { FIRMWARE_SPACE } from "./loader/firmware.ts";
import { MachineImages } from "./loader/machine-images.ts";
import { machineDevicetree } from "./machine/devicetree.ts";
import { MEMORY_MAP } from "./machine/memory-map.ts";
import { uartConsole } from "./machine/uart-console.ts";
import { VirtMachine } from "./machine/virt.ts";
import type { VmOutcome } from "./outcome.ts";
import { type ProfileOptions, type Profiler, StackSampler } from "./profiler/profiler.ts";
import { A2 } from "./sbi/contract.ts";
import { prepareSupervisor, sbiFirmware } from "./sbi/firmware.ts";
import { requireSharedMemory } from "./threads/features.ts";
import { sharedClock } from "./threads/shared-clock.ts";
import { ThreadDispatcher } from "./threads/thread-dispatcher.ts";

/** How a machine is to be run. */
export interface RunOptions {
  /** Aborting it ends the run between two instructions. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the run after so many instructions of all harts together; with threads somewhat later than that. */
  readonly maxInstructions?: number | undefined;
}

/** A virtual machine. */
export interface Vm<F extends DeviceFactories = DeviceFactories> extends AsyncDisposable {
  /** The devices, by the names under which they were listed. */
  readonly devices: DevicesOf<F>;
  /** Guest RAM. */
  readonly memory: GuestMemory;
  /** The harts. Their state may be read and written while no run is under way, or while the machine is paused. */
  readonly harts: readonly Hart[];
  /**
   * Runs the machine until it has an outcome. Gives the event loop its turn every few milliseconds, and sleeps while
   * the guest has nothing to do. One run at a time: a second one fails with `ERR_VM_RUNNING`.
   */
  run(options?: RunOptions): Promise<VmOutcome>;
  /** Ends the run under way with outcome `stopped`, between two instructions; resolves when it has ended. */
  stop(): Promise<void>;
  /** Holds all harts, and time for them. Does nothing when the machine is paused already. */
  pause(): void;
  resume(): void;
  /**
   * Starts the machine afresh with its images, as a reset button does: a run under way goes on with that. A machine that
   * does not run starts afresh at once, or in its next run where images are given as functions.
   */
  reset(): void;
  /**
   * Counters of the machine and its parts: `cpu.…`, `vm.…`, `bus.…`, `transports.NAME.…` and `devices.NAME.…`.
   * `describeCounter(name)` says what one counts, and in which unit.
   */
  counters(): Readonly<Record<string, number>>;
  /**
   * What code was worth translating so far: for `riscv64({ translations })` of a machine that executes the same code, or is
   * made from this one's state. Throws a TypeError where this machine's processor was made without that option.
   */
  translations(): Uint8Array<ArrayBuffer>;
  /**
   * Starts to sample what the harts execute, which must not have threads of their own: then it throws a TypeError. One
   * profiler at a time: a second one fails with `ERR_VM_PROFILING`. With `clock: "instructions"` the run stays the same
   * to the last instruction; which of them are looked at does not.
   */
  profile(options?: ProfileOptions): Profiler;
  /** Stops the machine and releases everything, devices in reverse order. Idempotent; never leaves half done. */
  close(): Promise<void>;
}

/**
 * Builds a machine. It stands at its first instruction when the promise resolves; {@link Vm.run} starts it.
 *
 * Rejects with TypeError or RangeError on a wrong configuration, with a `VmError` where an image cannot be booted, with
 * what a function threw that was to give an image, and with the signal's reason when that is aborted.
 */
export async function createVm<const F extends DeviceFactories = Record<never, never>>(
  config: VmConfig<F>,
): Promise<Vm<F>> {
  const { harts, memory } = checkConfig(config);
  if (config.threads !== undefined) requireSharedMemory();
  config.signal?.throwIfAborted();
  const range = { base: MEMORY_MAP.ram, size: memory };
  const { kernel, initrd, firmware } = config;
  const images = new MachineImages({ kernel, initrd, firmware }, range);
  const first = await images.load(config.signal);
  config.signal?.throwIfAborted();
  const cleanups: (() => MaybePromise<void>)[] = [];
  try {
    const machine = new VirtualMachine<F>(config, harts, memory, images, first, cleanups);
    await machine.start();
    return machine;
  } catch (error) {
    await runCleanups(cleanups).catch(() => undefined);
    throw error;
  }
}

/** Where the wall clock of a machine starts whose time is made of instructions: 2026-01-01T00:00Z. */
const FIXED_WALL_CLOCK = 1_767_225_600_000;

/** Polling `tohost` this often keeps test programs short. */
const HTIF_SLICE = 100_000;

class VirtualMachine<F extends DeviceFactories> implements Vm<F> {
  readonly devices: DevicesOf<F>;
  readonly #config: VmConfig<F>;
  readonly #images: MachineImages;
  readonly #machine: VirtMachine;
  readonly #dispatcher: MachineDispatcher;
  readonly #threads: ThreadDispatcher | undefined;
  /** The dispatcher, where harts take turns. */
  readonly #turns: Dispatcher | undefined;
  readonly #clock: Timebase;
  readonly #eventLoop: EventLoop = hostEventLoop();
  readonly #htif: Htif | undefined;
  readonly #cleanups: (() => MaybePromise<void>)[];
  #isOn = false;
  #isRunning = false;
  #mustRestart = false;
  #mustStop = false;
  /** While a run waits for images: ends that. */
  #loading: AbortController | undefined;
  #resets = 0;
  #ended: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(
    config: VmConfig<F>,
    harts: number,
    memory: number,
    images: MachineImages,
    first: BootImages,
    cleanups: (() => MaybePromise<void>)[],
  ) {
    this.#config = config;
    this.#images = images;
    this.#cleanups = cleanups;
    const defer = (cleanup: () => MaybePromise<void>) => void cleanups.push(cleanup);
    defer(() => this.#eventLoop.close());
    this.#clock = this.#makeClock();
    const clock = this.#clock;
    const end = (outcome: VmOutcome) => this.#dispatcher.end(outcome);
    const machine = new VirtMachine({
      cpu: config.cpu,
      harts,
      threads: config.threads !== undefined,
      memory,
      hasFirmware: config.firmware !== undefined,
      devices: config.devices ?? {},
      transport: config.transport ?? "pci",
      clock,
      wallClock:
        config.clock === "instructions"
          ? () => FIXED_WALL_CLOCK + (clock.now() * 1000) / clock.frequency
          : () => Date.now(),
      log: config.log ?? (() => undefined),
      onaccess: () => this.#dispatcher.accessed(),
      oninterrupt: (hart, urgent) => this.#dispatcher?.wake(hart, urgent),
      onend: end,
      defer,
    });
    this.#machine = machine;
    this.devices = machine.devices as DevicesOf<F>;
    const { processor } = machine;
    this.#htif = config.htif && new Htif(processor.memory, config.htif, end);
    const console = config.debugConsole ?? (machine.uart && uartConsole(machine.uart));
    const routines = interpreterRoutines({
      harts: processor.harts,
      sbi: sbiFirmware({
        harts: processor.harts,
        memory: processor.memory,
        scheduler: {
          stateOf: (hart) => this.#dispatcher.stateOf(hart),
          setState: (hart, state) => this.#dispatcher.setState(hart, state),
        },
        console,
        end,
      }),
      htif: this.#htif,
      end,
    });
    const { harts: all, threads } = processor;
    const parts = { harts: all, clock, eventLoop: this.#eventLoop, routines, timers: machine.timers };
    if (config.threads !== undefined && threads !== undefined) {
      const hasSbi = config.firmware === undefined;
      const dispatcher = new ThreadDispatcher({
        ...parts,
        processor: threads,
        threads: config.threads,
        hasSbi,
      });
      defer(() => dispatcher.close());
      this.#threads = dispatcher;
      this.#dispatcher = dispatcher;
    } else {
      const longest = this.#htif === undefined ? {} : { longestSlice: HTIF_SLICE };
      this.#turns = new Dispatcher({ ...parts, ...longest });
      this.#dispatcher = this.#turns;
    }
    this.#powerOn(first);
  }

  /** Starts the harts' threads, if they have any. */
  async start(): Promise<void> {
    await this.#threads?.start();
  }

  get memory(): GuestMemory {
    return this.#machine.processor.memory;
  }

  get harts(): readonly Hart[] {
    return this.#machine.processor.harts;
  }

  async run(options: RunOptions = {}): Promise<VmOutcome> {
    if (this.#closed !== undefined) throw new VmError("ERR_VM_CLOSED", "the machine is closed");
    if (this.#isRunning) throw new VmError("ERR_VM_RUNNING", "the machine is running already");
    const { maxInstructions = Number.POSITIVE_INFINITY } = options;
    if (!(maxInstructions >= 0) || Math.floor(maxInstructions) !== maxInstructions) {
      throw new RangeError(`maxInstructions must be a whole number or Infinity, got ${maxInstructions}`);
    }
    this.#isRunning = true;
    this.#mustStop = false;
    const run = this.#run(options.signal ?? undefined, this.#dispatcher.instructions + maxInstructions);
    this.#ended = run.catch(() => undefined);
    try {
      return await run;
    } finally {
      this.#isRunning = false;
    }
  }

  async stop(): Promise<void> {
    if (this.#isRunning) {
      this.#mustStop = true;
      if (this.#loading === undefined) this.#dispatcher.end({ reason: "stopped" });
      else this.#loading.abort();
    }
    await this.#ended;
  }

  pause(): void {
    this.#dispatcher.pause();
  }

  resume(): void {
    this.#dispatcher.resume();
  }

  reset(): void {
    if (this.#closed !== undefined) throw new VmError("ERR_VM_CLOSED", "the machine is closed");
    if (this.#isRunning) {
      // A run that waits for images starts the machine afresh anyway.
      if (this.#loading !== undefined) return;
      this.#mustRestart = true;
      this.#dispatcher.end({ reason: "reset" });
      return;
    }
    this.#resets++;
    const images = this.#images.kept;
    if (images === undefined) this.#isOn = false;
    else this.#powerOn(images);
  }

  counters(): Readonly<Record<string, number>> {
    const { processor, devices, transports, bus } = this.#machine;
    const { counters, instructions } = this.#dispatcher;
    const all: Record<string, number> = {};
    const add = (prefix: string, part: Readonly<Record<string, number>>) => {
      for (const [name, value] of Object.entries(part)) all[`${prefix}.${name}`] = value;
    };
    add("cpu", processor.counters());
    add("vm", { ...counters, instructions, resets: this.#resets, htifRequests: this.#htif?.requests ?? 0 });
    add("bus", bus.counters());
    for (const [name, part] of Object.entries(transports.counters())) add(`transports.${name}`, part);
    for (const [name, device] of Object.entries(devices)) add(`devices.${name}`, deviceCounters(device));
    return all;
  }

  translations(): Uint8Array<ArrayBuffer> {
    return this.#machine.processor.translations();
  }

  profile(options: ProfileOptions = {}): Profiler {
    const { interval = 1, symbols = [] } = options;
    if (!(interval >= 0.1 && interval <= 1000)) {
      throw new RangeError(`interval must be 0.1 to 1000 milliseconds, got ${interval}`);
    }
    const dispatcher = this.#turns;
    if (dispatcher === undefined) {
      throw new TypeError("profile() needs harts that take turns: make the machine without threads");
    }
    if (dispatcher.sampler !== undefined) {
      throw new VmError("ERR_VM_PROFILING", "the machine is being profiled already");
    }
    const { harts, memory } = this.#machine.processor;
    const env = { harts, memory, now: () => this.#eventLoop.now() };
    const sampler = new StackSampler(env, interval, [...symbols, ...this.#images.symbols()]);
    dispatcher.sampler = sampler;
    return {
      profile: () => sampler.profile(),
      stop: () => {
        sampler.end();
        if (dispatcher.sampler === sampler) dispatcher.sampler = undefined;
        return sampler.profile();
      },
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.stop();
    await runCleanups(this.#cleanups);
  }

  async #run(signal: AbortSignal | undefined, limit: number): Promise<VmOutcome> {
    if (!this.#isOn) {
      const ended = await this.#start(signal);
      if (ended !== undefined) return ended;
    }
    for (;;) {
      const maxInstructions = limit - this.#dispatcher.instructions;
      let outcome: VmOutcome;
      try {
        outcome = await this.#dispatcher.run({
          ...(signal === undefined ? {} : { signal }),
          maxInstructions,
        });
      } catch (error) {
        this.#isOn = false;
        throw error;
      }
      const goesOn = outcome.reason === "reset" && (this.#mustRestart || this.#config.onReset !== "return");
      this.#isOn = !["power-off", "reset", "crashed"].includes(outcome.reason);
      if (!goesOn) return outcome;
      // A guest that resets at once, again and again, must not keep the event loop from its turn.
      await this.#eventLoop.yield();
      const ended = await this.#start(signal);
      if (ended !== undefined) return ended;
      this.#resets++;
      // It came while the reset was pending, whose outcome counted.
      if (this.#mustStop) return { reason: "stopped" };
    }
  }

  /** Switches the machine on. @returns how the run ended when it did so before the images were there. */
  async #start(signal: AbortSignal | undefined): Promise<VmOutcome | undefined> {
    const images = this.#images.kept;
    if (images !== undefined) {
      this.#powerOn(images);
      return undefined;
    }
    const loading = new AbortController();
    this.#loading = loading;
    try {
      this.#powerOn(
        await this.#images.load(AbortSignal.any([loading.signal, ...(signal === undefined ? [] : [signal])])),
      );
    } catch (error) {
      if (this.#mustStop) return { reason: "stopped" };
      if (signal?.aborted === true) return { reason: "aborted", cause: signal.reason };
      throw error;
    } finally {
      this.#loading = undefined;
    }
    return this.#mustStop ? { reason: "stopped" } : undefined;
  }

  /** Brings everything to its state at power-on, with the images in memory and the boot hart at its first instruction. */
  #powerOn(images: BootImages): void {
    const { processor } = this.#machine;
    this.#mustRestart = false;
    this.#machine.reset();
    this.#clock.reset();
    this.#dispatcher.reset();
    const rngSeed = this.#config.rngSeed ?? crypto.getRandomValues(new Uint8Array(64));
    const hasFirmware = images.firmware !== undefined;
    const start = placeImages(images, processor.memory, (initrd) =>
      machineDevicetree(
        {
          processor,
          harts: processor.harts.length,
          timebaseFrequency: this.#clock.frequency,
          firmware: hasFirmware ? { base: MEMORY_MAP.ram, size: FIRMWARE_SPACE } : undefined,
          plic: this.#machine.plic,
          clint: this.#machine.clint,
          test: this.#machine.test,
          devices: this.#machine.placed,
          nodes: (plic) => this.#machine.transports.nodes(plic),
        },
        { cmdline: this.#config.cmdline ?? "", initrd, rngSeed },
      ),
    );
    for (const hart of processor.harts) {
      hart.reset({ pc: start.entry, a0: hart.id, a1: start.devicetree });
      // Real firmware chooses the boot hart itself; the VMM's SBI starts with hart 0 and leaves the others stopped.
      const starts = hasFirmware || hart.id === 0;
      if (hasFirmware) hart.writeRegister(A2, BigInt(start.firmwareInfo));
      else prepareSupervisor(hart);
      this.#dispatcher.setState(hart.id, starts ? HartState.RUNNABLE : HartState.STOPPED);
    }
    this.#isOn = true;
  }

  #makeClock(): Timebase {
    const { clock = "host" } = this.#config;
    const { threads } = this.#config;
    const wall = () => Date.now();
    if (threads !== undefined)
      return sharedClock(() => this.#machine?.processor.threads?.share.memories.memory, threads.now, wall);
    if (clock === "host") return hostClock(() => performance.now(), wall);
    if (clock === "instructions") return instructionClock(() => this.#dispatcher?.instructions ?? 0);
    return embedderClock(clock);
  }
}

/** Metrics of a device that keeps any. */
function deviceCounters(device: Device): Readonly<Record<string, number>> {
  const { counters } = device as { counters?: unknown };
  return typeof counters === "function" ? counters.call(device) : {};
}

/** Runs all cleanups, the last one first, also when some fail; then fails with the first failure. */
async function runCleanups(cleanups: (() => MaybePromise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (let cleanup = cleanups.pop(); cleanup !== undefined; cleanup = cleanups.pop()) {
    try {
      await cleanup();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) {
    const cause = failures.length === 1 ? failures[0] : new AggregateError(failures);
    throw new VmError("ERR_VM_CLEANUP", "a part of the machine could not be closed", { cause });
  }
}
