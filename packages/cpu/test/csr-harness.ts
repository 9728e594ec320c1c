import { ModuleBuilder } from "@isomorph/wasm";
import { type CsrFunctions, defineCsrs } from "../src/csr/define-csrs.ts";
import type { CsrIsa } from "../src/csr/description.ts";
import { csrByName } from "../src/csr/names.ts";
import { type CsrReset, resetCsrs } from "../src/csr/reset.ts";
import { State } from "../src/state.ts";

/** Host address of the hart's block: not zero, so that a forgotten base shows. */
const STATE = 0x1000;

/** The CSR functions of one hart over a memory, with the rest of the processor recorded instead of done. */
export class CsrHarness {
  readonly view: DataView;
  readonly state: number = STATE;
  /** Calls of the MMU since {@link calls} was last emptied. */
  readonly calls: (string | bigint)[] = [];
  /** What the clock says. */
  now = 0;
  readonly #reset: CsrReset;
  readonly #exports: Record<keyof CsrFunctions, CallableFunction>;

  constructor(isa: CsrIsa = { sstc: true, svadu: true }, reset: CsrReset = { mode: 3, hart: 0 }) {
    this.#reset = reset;
    const memory = new WebAssembly.Memory({ initial: 1 });
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", { min: 1 });
    const time = module.importFunction("env", "time", [], "f64");
    const contextsChanged = module.importFunction("env", "contextsChanged", ["i32"]);
    const satpChanged = module.importFunction("env", "satpChanged", ["i32", "i64"]);
    const pmpChanged = module.importFunction("env", "pmpChanged", ["i32"]);
    const mmu = { contextsChanged, satpChanged, pmpChanged };
    const functions = defineCsrs(module, { mmu, imports: { time }, isa });
    for (const [name, reference] of Object.entries(functions)) module.export(name, reference);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), {
      env: {
        memory,
        time: () => this.now,
        contextsChanged: (state: number) => this.#called("contexts", state),
        satpChanged: (state: number, old: bigint) => {
          this.#called("satp", state);
          this.calls.push(BigInt.asUintN(64, old));
        },
        pmpChanged: (state: number) => this.#called("pmp", state),
      },
    });
    this.#exports = instance.exports as unknown as Record<keyof CsrFunctions, CallableFunction>;
    this.view = new DataView(memory.buffer);
    // Registers hold anything before reset.
    new Uint8Array(memory.buffer, STATE, 0x900).fill(0xa5);
    this.set64(State.LINES, 0n);
    this.set64(State.RETIRED_LIMIT, 1000n);
    this.set32(State.REMAINING, 900);
    this.set64(State.PC, 0x8000_0000n);
    this.reset();
    this.set32(State.ATTENTION, 0);
    this.set64(State.LAST_TRAP_INSTRET, 0n);
  }

  reset(): void {
    resetCsrs(this.view, STATE, this.#reset);
  }

  #called(name: string, state: number): void {
    if (state !== STATE) throw new RangeError(`${name} was called for ${state}`);
    this.calls.push(name);
  }

  get32(offset: number): number {
    return this.view.getUint32(STATE + offset, true);
  }
  set32(offset: number, value: number): void {
    this.view.setUint32(STATE + offset, value, true);
  }
  get64(offset: number): bigint {
    return this.view.getBigUint64(STATE + offset, true);
  }
  set64(offset: number, value: bigint): void {
    this.view.setBigUint64(STATE + offset, value, true);
  }

  legal(csr: string | number, write = false): boolean {
    return this.#exports.csrLegal(STATE, addressOf(csr), write ? 1 : 0) === 1;
  }
  read(csr: string | number): bigint {
    return BigInt.asUintN(64, this.#exports.csrRead(STATE, addressOf(csr)));
  }
  inspect(csr: string | number): bigint {
    return BigInt.asUintN(64, this.#exports.csrInspect(STATE, addressOf(csr)));
  }
  write(csr: string | number, value: bigint): void {
    this.#exports.csrWrite(STATE, addressOf(csr), value);
  }
  setBits(csr: string | number, value: bigint): void {
    this.#exports.csrSet(STATE, addressOf(csr), value);
  }
  clearBits(csr: string | number, value: bigint): void {
    this.#exports.csrClear(STATE, addressOf(csr), value);
  }
  /** An exception, as the interpreter raises it: the instruction was counted before it failed. */
  exception(cause: number, tval = 0n): void {
    this.step();
    this.#exports.takeTrap(STATE, BigInt(cause), tval);
  }
  interrupt(cause: number): void {
    this.#exports.takeTrap(STATE, (1n << 63n) | BigInt(cause), 0n);
  }
  /** The interrupt to take, or undefined. */
  pending(): number | undefined {
    const cause = BigInt.asUintN(64, this.#exports.pendingInterrupt(STATE));
    return cause === 0n ? undefined : Number(cause - (1n << 63n));
  }
  mret(): void {
    this.#exports.mret(STATE);
  }
  sret(): void {
    this.#exports.sret(STATE);
  }
  updateTimer(): void {
    this.#exports.updateTimer(STATE);
  }
  /** Counts instructions as the interpreter does when it starts one. */
  step(count = 1): void {
    this.set32(State.REMAINING, this.get32(State.REMAINING) - count);
  }
}

function addressOf(csr: string | number): number {
  const address = typeof csr === "number" ? csr : csrByName(csr);
  if (address === undefined) throw new RangeError(`no CSR is called ${csr}`);
  return address;
}
