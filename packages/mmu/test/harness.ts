import { ModuleBuilder } from "@isomorph/wasm";
import {
  Access,
  defineMmu,
  MachineMemory,
  MMU_STATE_END,
  type MmuFunctions,
  MmuState,
  PAGE_SIZE,
  TLB_ENTRIES,
  Tlb,
} from "../src/index.ts";

export const RAM_BASE = 0x8000_0000;
const STRIDE = Math.ceil(MMU_STATE_END / PAGE_SIZE) * PAGE_SIZE;
const START = PAGE_SIZE;

export const USER = 0;
export const SUPERVISOR = 1;
export const MACHINE = 3;
export const MPRV: bigint = 1n << 17n;
export const SUM: bigint = 1n << 18n;
export const MXR: bigint = 1n << 19n;
export const ADUE: bigint = 1n << 61n;
export const mpp = (mode: number): bigint => BigInt(mode) << 11n;

export const FAULT = {
  fetchAccess: 1,
  loadAccess: 5,
  storeAccess: 7,
  fetchPage: 12,
  loadPage: 13,
  storePage: 15,
} as const;

/** What an access did: its value, or the fault's exception code and address. */
export type Outcome = { value: bigint } | { cause: number; at: bigint };

type Name = keyof MmuFunctions;

/** Least host address of RAM in machines that are made from now on. */
export const placement: { ramStart: number } = { ramStart: 0 };

/** One machine with the memory functions exported, and device registers that remember. */
export class TestMachine {
  readonly memory: MachineMemory;
  readonly calls: Record<Name, CallableFunction>;
  readonly device = { base: 0x1000_0000, size: 0x1000, log: [] as string[], answer: 0 as number | bigint };
  readonly codeWrites: [offset: number, length: number][] = [];
  readonly #view: DataView;

  constructor({ ramSize = 4 << 20, harts = 1 }: { ramSize?: number; harts?: number } = {}) {
    const blocks = { start: START, stride: STRIDE, count: harts };
    this.memory = new MachineMemory({
      ramBase: RAM_BASE,
      ramSize,
      reserved: START + STRIDE * harts,
      ramStart: placement.ramStart,
      harts: blocks,
    });
    this.#view = new DataView(this.memory.memories.memory.buffer);
    const module = new ModuleBuilder();
    const { host } = this.memory;
    this.memory.importInto(module);
    const imports = {
      mmioCovers: module.importFunction("env", "mmioCovers", ["f64", "i32"], "i32"),
      mmioRead: module.importFunction("env", "mmioRead", ["f64", "i32"], "f64"),
      mmioWrite: module.importFunction("env", "mmioWrite", ["f64", "i32", "f64"]),
      mmioRead64: module.importFunction("env", "mmioRead64", ["f64"], "i64"),
      mmioWrite64: module.importFunction("env", "mmioWrite64", ["f64", "i64"]),
      codeWritten: module.importFunction("env", "codeWritten", [host.type, "i32"]),
    };
    const { ramOffset, pageFlagsOffset } = this.memory;
    const functions = defineMmu(module, {
      ramBase: RAM_BASE,
      ramSize,
      host,
      ramOffset,
      pageFlagsOffset,
      harts: blocks,
      imports,
    });
    for (const [name, target] of Object.entries(functions)) module.export(name, target);
    const { device } = this;
    const hex = (value: number | bigint): string => value.toString(16);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), {
      env: {
        ...this.memory.memories,
        mmioCovers: (pa: number, size: number) =>
          Number(pa >= device.base && pa + size <= device.base + device.size),
        mmioRead: (pa: number, size: number) => {
          device.log.push(`read${size} ${hex(pa)}`);
          return Number(device.answer);
        },
        mmioRead64: (pa: number) => {
          device.log.push(`read8 ${hex(pa)}`);
          return BigInt(device.answer);
        },
        mmioWrite: (pa: number, size: number, value: number) => {
          device.log.push(`write${size} ${hex(pa)} ${hex(value)}`);
        },
        mmioWrite64: (pa: number, value: bigint) => {
          device.log.push(`write8 ${hex(pa)} ${hex(BigInt.asUintN(64, value))}`);
        },
        codeWritten: (offset: number | bigint, length: number) =>
          this.codeWrites.push([host.toNumber(offset), length]),
      },
    });
    this.calls = exports as Record<Name, CallableFunction>;
  }

  protectCode(ramOffset: number): void {
    this.calls.protectCode(this.memory.host.fromNumber(ramOffset));
  }

  hart(index = 0): TestHart {
    return new TestHart(this, this.#view, START + STRIDE * index);
  }
}

/** One hart's state and the functions on it. Starts in M-mode with one PMP entry that allows everything. */
export class TestHart {
  readonly machine: TestMachine;
  readonly state: number;
  readonly view: DataView;

  constructor(machine: TestMachine, view: DataView, state: number) {
    this.machine = machine;
    this.state = state;
    this.view = view;
    this.view.setInt32(state + MmuState.MODE, MACHINE, true);
    this.pmp([{ kind: "napot", address: (1n << 54n) - 1n, rights: 7 }]);
  }

  get64(field: number): bigint {
    return this.view.getBigUint64(this.state + field, true);
  }
  set64(field: number, value: bigint): void {
    this.view.setBigUint64(this.state + field, value, true);
  }
  get32(field: number): number {
    return this.view.getUint32(this.state + field, true);
  }

  /** `address` is the value of `pmpaddr`. */
  pmp(
    entries: { kind: "off" | "tor" | "na4" | "napot"; address: bigint; rights?: number; locked?: boolean }[],
  ): void {
    for (let i = 0; i < 16; i++) {
      const { kind, address, rights = 0, locked = false } = entries[i] ?? { kind: "off", address: 0n };
      const mode = ["off", "tor", "na4", "napot"].indexOf(kind);
      this.view.setUint8(this.state + MmuState.PMPCFG + i, (locked ? 0x80 : 0) | (mode << 3) | rights);
      this.set64(MmuState.PMPADDR + 8 * i, address);
    }
    this.machine.calls.pmpChanged(this.state);
  }

  mode(mode: number): void {
    this.view.setInt32(this.state + MmuState.MODE, mode, true);
    this.machine.calls.contextsChanged(this.state);
  }
  mstatus(value: bigint): void {
    this.set64(MmuState.MSTATUS, value);
    this.machine.calls.contextsChanged(this.state);
  }
  menvcfg(value: bigint): void {
    this.set64(MmuState.MENVCFG, value);
  }
  satp(value: bigint): void {
    const old = this.get64(MmuState.SATP);
    this.set64(MmuState.SATP, value);
    this.machine.calls.satpChanged(this.state, old);
  }

  flushAll(): void {
    this.machine.calls.flushAll(this.state);
  }
  flushAsid(asid: number): void {
    this.machine.calls.flushAsid(this.state, BigInt(asid));
  }
  flushAddress(va: bigint): void {
    this.machine.calls.flushAddress(this.state, va);
  }

  #outcome(value: bigint): Outcome {
    const fault = this.get32(MmuState.FAULT);
    return fault === 0 ? { value } : { cause: fault - 1, at: this.get64(MmuState.FAULT_ADDRESS) };
  }

  load(va: bigint, sizeLog2 = 3): Outcome {
    return this.#outcome(BigInt.asUintN(64, this.machine.calls.load(this.state, va, sizeLog2)));
  }
  store(va: bigint, value: bigint, sizeLog2 = 3): Outcome {
    this.machine.calls.store(this.state, va, value, sizeLog2);
    return this.#outcome(BigInt.asUintN(8 << sizeLog2, value));
  }
  /** The parcel's guest physical address, as value. */
  fetch(va: bigint): Outcome {
    return this.#address(this.machine.calls.fetch(this.state, va));
  }
  /** The guest physical address, as value, or -1 when the access is none to RAM. */
  host(va: bigint, sizeLog2 = 3, access: number = Access.READ): Outcome {
    return this.#address(this.machine.calls.host(this.state, va, sizeLog2, access));
  }
  #address(found: number | bigint): Outcome {
    const host = this.machine.memory.host.toNumber(found);
    return this.#outcome(host === 0 ? -1n : BigInt(host - this.machine.memory.ramOffset + RAM_BASE));
  }

  /** Whether the inlined check of interpreter and translator would hit; the guest physical address if so. */
  probe(va: bigint, access: number, sizeLog2 = 0): number | undefined {
    const wide = BigInt.asUintN(64, va);
    const context = this.get64(access === Access.FETCH ? MmuState.FETCH_CONTEXT : MmuState.DATA_CONTEXT);
    const page = wide >> 12n;
    const mask = BigInt.asUintN(64, -4096n | ((1n << BigInt(sizeLog2)) - 1n));
    const isFetch = access === Access.FETCH;
    const { fetchTlb, type } = this.machine.memory.host;
    const entry = isFetch
      ? fetchTlb.START + Number(page & BigInt(fetchTlb.ENTRIES - 1)) * fetchTlb.ENTRY_SIZE
      : Tlb.START + Number(page & BigInt(TLB_ENTRIES - 1)) * Tlb.ENTRY_SIZE;
    const tag = entry + (isFetch ? fetchTlb.TAG : 8 * access);
    if (this.get64(tag) !== ((wide & mask) | context)) return undefined;
    const addend = entry + (isFetch ? fetchTlb.ADDEND : Tlb.ADDEND);
    const bits = type === "i32" ? 32 : 64;
    const host = Number(BigInt.asUintN(bits, wide + this.get64(addend)));
    return host - this.machine.memory.ramOffset + RAM_BASE;
  }
}
