import type { Code, I32, Label, Var } from "@isomorph/wasm";
import { State } from "../state.ts";
import type { Block, Region } from "./region.ts";
import { type RegionFunctions, type RegionVars, TranslatorSemantics } from "./semantics.ts";
import { type Item, structure } from "./structure.ts";

/**
 * Emits the function of a region: registers are loaded at entry and those it writes stored at exit; in between control
 * flows as in the guest. Each block takes its instructions off the budget when it starts.
 */
export function emitRegion(code: Code, region: Region, functions: RegionFunctions): void {
  const [state, delta, remaining] = code.start(["i32", "i64", "i32"]);
  const { i32, i64 } = code;
  const context = code.let64(i64.load(state.get(), State.DATA_CONTEXT));
  const x: (Var<"i64"> | undefined)[] = [];
  for (let register = 1; register < 32; register++) {
    if (((region.used >>> register) & 1) === 0) continue;
    x[register] = code.let64(i64.load(state.get(), State.X + 8 * register));
  }
  const vars: RegionVars = {
    state,
    delta,
    remaining,
    context,
    x,
    exitHost: code.var("i32"),
    exitPc: code.var("i64"),
    notExecuted: code.var("i32"),
  };
  const spill = (): void => {
    for (let register = 1; register < 32; register++) {
      if (((region.written >>> register) & 1) === 0) continue;
      i64.store(state.get(), (x[register] as Var<"i64">).get(), State.X + 8 * register);
    }
  };
  const guestExit = (): void => vars.exitPc.set(i64.add(i64.extendI32U(vars.exitHost.get()), delta.get()));
  const { chain, chainInPage } = functions;
  code.block((exit) => {
    code.block((leavePage) => {
      code.block((leave) => {
        code.block((bail) => {
          new RegionEmitter(code, region, vars, { bail, exit, leave, leavePage }, functions).emit();
        });
        // The interpreter takes over at an instruction that was paid for.
        spill();
        guestExit();
        i64.store(state.get(), vars.exitPc.get(), State.PC);
        i32.store(state.get(), 0, State.FAULT);
        const left = code.let32(i32.add(remaining.get(), vars.notExecuted.get()));
        code.return(i32.xor(left.get(), -1));
      });
      spill();
      chainInPage(code, [state.get(), delta.get(), remaining.get(), vars.exitHost.get()]);
    });
    guestExit();
  });
  spill();
  chain(code, [state.get(), remaining.get(), vars.exitPc.get()]);
  code.unreachable();
}

type ExitLabels = Readonly<Record<"bail" | "exit" | "leave" | "leavePage", Label>>;

class RegionEmitter {
  readonly #code: Code;
  readonly #blocks: readonly Block[];
  readonly #vars: RegionVars;
  readonly #labels: ExitLabels;
  readonly #semantics: TranslatorSemantics;
  /** Where a branch to a block goes, while one is possible. */
  readonly #targets = new Map<number, Label>();

  constructor(code: Code, region: Region, vars: RegionVars, labels: ExitLabels, functions: RegionFunctions) {
    this.#code = code;
    this.#blocks = region.blocks;
    this.#vars = vars;
    this.#labels = labels;
    const flow = {
      branchIf: (condition: I32, target: number) => this.#branchIf(condition, target),
      goto: (target: number) => this.#goto(target),
    };
    this.#semantics = new TranslatorSemantics(code, vars, labels, functions, flow);
  }

  emit(): void {
    this.#sequence(structure(this.#blocks));
    this.#code.unreachable();
  }

  #sequence(items: readonly Item[]): void {
    const code = this.#code;
    const starts = items.map((item) => this.#startOf(item));
    for (const start of starts.slice(1).reverse()) this.#targets.set(start, code.beginBlock());
    items.forEach((item, index) => {
      if (index > 0) {
        this.#targets.delete(starts[index] as number);
        code.end();
      }
      if (item.kind === "block") this.#block(this.#blocks[item.block] as Block, item.block);
      else {
        const start = starts[index] as number;
        this.#targets.set(start, code.beginLoop());
        this.#sequence(item.items);
        this.#targets.delete(start);
        code.end();
      }
    });
  }

  #startOf(item: Item): number {
    return (this.#blocks[item.kind === "block" ? item.block : item.first] as Block).start;
  }

  #block(block: Block, index: number): void {
    const code = this.#code;
    const { i32 } = code;
    const { remaining, exitHost, notExecuted } = this.#vars;
    const count = block.instructions.length;
    const left = remaining.tee(i32.sub(remaining.get(), count));
    code.if(i32.ltS(left, 0), () => {
      exitHost.set(i32.const(block.start));
      notExecuted.set(i32.const(count));
      code.br(this.#labels.bail);
    });
    this.#semantics.emitBlock(block.instructions);
    if (!block.fallsThrough) return;
    // The next block in order is the next item, unless nothing was translated there.
    if (this.#blocks[index + 1]?.start !== block.end) this.#leave(block.end);
  }

  #leave(target: number): void {
    const samePage = (target ^ (this.#blocks[0] as Block).start) >>> 12 === 0;
    this.#vars.exitHost.set(this.#code.i32.const(target));
    this.#code.br(samePage ? this.#labels.leave : this.#labels.leavePage);
  }

  #goto(target: number): void {
    const label = this.#targets.get(target);
    if (label === undefined) this.#leave(target);
    else this.#code.br(label);
  }

  #branchIf(condition: I32, target: number): void {
    const label = this.#targets.get(target);
    if (label === undefined) this.#code.if(condition, () => this.#leave(target));
    else this.#code.brIf(label, condition);
  }
}
