import type { Code, I32, I64, Label, Var } from "@isomorph/wasm";
import { sharedMemory } from "../core/atomic-memory.ts";
import type { HartBlock } from "../core/soft-tlb.ts";
import { State } from "../state.ts";
import { Mailbox } from "../threads/layout.ts";
import { FROM_INTERPRETER, REGION_PARAMS, Unwind } from "./chain.ts";
import type { Pages } from "./code-reader.ts";
import { callSite } from "./copy-callees.ts";
import { EXIT_OFFSET_BITS, exitSite as exitSiteOf } from "./exit-site.ts";
import { FloatRegisters } from "./float-registers.ts";
import { Leaving } from "./leaving.ts";
import { longestWays } from "./longest-ways.ts";
import { PageCache } from "./page-cache.ts";
import { addressOf, type Block, DISPATCH, endOf, placeOf, type Region, startOf } from "./region.ts";
import type { RegionFunctions, RegionVars } from "./region-functions.ts";
import { type RegisterFlow, registerFlow } from "./registers.ts";
import { SecondPage } from "./second-page.ts";
import { TranslatorSemantics } from "./semantics.ts";
import { blocksOf, headersOf, type Item, structure, successorsOf } from "./structure.ts";

/**
 * Emits the function of a region. Guest registers are variables: loaded when a block that needs them is entered from
 * outside, stored when control leaves; in between control flows as in the guest. Entry and loops check that the budget
 * lasts for the longest way to the next check, so it is never overdrawn.
 *
 * @param hart - Host address of the block of the one hart that executes it, if there is only one.
 */
export function emitRegion(
  code: Code,
  region: Region,
  functions: RegionFunctions,
  isPatient: boolean,
  hart: number | undefined,
): void {
  const [stateParam, delta, remaining, returnTo, depth] = code.start(REGION_PARAMS);
  const state: HartBlock =
    hart === undefined ? stateParam : { get: () => code.i32.const(hart | 0), address: hart };
  const x: (Var<"i64"> | undefined)[] = [];
  for (let register = 1; register < 32; register++) {
    if (((region.used >>> register) & 1) !== 0) x[register] = code.var("i64");
  }
  const vars: RegionVars = {
    page: region.pages.first,
    state,
    delta,
    remaining,
    returnTo,
    depth,
    context: code.var("i64"),
    x,
    float: new FloatRegisters(code, state, region),
    exitSite: code.var("i32"),
    exitDirty: code.var("i32"),
  };
  new RegionEmitter(code, region, vars, functions).emit(isPatient);
}

class RegionEmitter {
  readonly #code: Code;
  /** In the order in which they are emitted. */
  readonly #blocks: readonly Block[];
  readonly #items: readonly Item[];
  readonly #loopHeaders: ReadonlySet<number>;
  readonly #indexOf = new Map<number, number>();
  readonly #vars: RegionVars;
  /** Host address of the region's page. */
  readonly #page: number;
  readonly #pages: Pages;
  readonly #isWhole: boolean;
  readonly #second: SecondPage;
  readonly #leaving: Leaving;
  readonly #functions: RegionFunctions;
  readonly #registers: RegisterFlow;
  readonly #successors: readonly (readonly number[])[];
  readonly #cache: PageCache;
  /** For each block, the most instructions from its start to the next check of the budget. */
  readonly #longest: readonly number[];
  /** Where a branch to a block goes, while one is possible, by place. */
  readonly #targets = new Map<number, Label>();
  #semantics: TranslatorSemantics | undefined;
  #bail: Label | undefined;
  #block = 0;
  /** Where the region's indirect jumps lead. */
  readonly #dispatchedPc: Var<"i64">;

  constructor(code: Code, region: Region, vars: RegionVars, functions: RegionFunctions) {
    this.#code = code;
    const { blocks, items } = structure(region.blocks);
    this.#isWhole = region.isWhole;
    this.#blocks = blocks;
    this.#items = items;
    blocks.forEach((block, index) => {
      this.#indexOf.set(startOf(block), index);
    });
    this.#pages = region.pages;
    this.#page = region.pages.first;
    this.#second = new SecondPage(code, vars, functions, region.pages, blocks);
    this.#leaving = new Leaving(code, vars, functions, this.#second, region, (blocks[0] as Block).start);
    this.#dispatchedPc = code.var("i64");
    this.#vars = vars;
    this.#functions = functions;
    const successors = successorsOf(blocks);
    this.#registers = registerFlow(blocks, blocks, successors);
    vars.float.follow(blocks, successors);
    this.#loopHeaders = headersOf(items);
    this.#successors = successors;
    this.#cache = new PageCache(code, vars.remaining);
    this.#longest = longestWays(blocks, successors, this.#loopHeaders);
  }

  emit(isPatient: boolean): void {
    const code = this.#code;
    const items = this.#items;
    if (items[0]?.kind !== "loop") this.#checkBudgetAtEntry();
    if (this.#second.isNeeded(startOf(this.#blocks[0] as Block))) {
      this.#second.checkAtEntry(() => this.#leaveAtEntry());
    }
    this.#load(0);
    code.block((bail) => {
      this.#bail = bail;
      this.#semantics = new TranslatorSemantics(
        code,
        this.#vars,
        bail,
        this.#functions,
        {
          branchIf: (condition, target) => this.#branchIf(condition, target),
          goto: (target) => this.#goto(target),
          gotoPc: (pc) => this.#gotoPc(pc),
          call: (target) => this.#call(target),
          callPc: (pc) => this.#callPc(pc),
          returnTo: (pc) => this.#return(pc),
        },
        isPatient,
        this.#cache,
      );
      this.#sequence(items);
      code.unreachable();
    });
    this.#leaveToInterpreter();
  }

  /** The interpreter takes over at an instruction that was paid for. */
  #leaveToInterpreter(): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { state, delta, remaining, exitSite, exitDirty, x } = this.#vars;
    const dirty = this.#blocks.reduce((all, { written }) => all | written, 0);
    for (let register = 1; register < 32; register++) {
      if (((dirty >>> register) & 1) === 0) continue;
      code.if(i32.and(exitDirty.get(), 1 << register), () =>
        i64.store(state.get(), (x[register] as Var<"i64">).get(), State.X + 8 * register),
      );
    }
    this.#vars.float.storeAtExit();
    const { start } = this.#blocks[0] as Block;
    const offset = i64.extendI32U(i32.and(exitSite.get(), (1 << EXIT_OFFSET_BITS) - 1));
    const pc = code.let64(i64.add(i64.add(offset, this.#page), delta.get()));
    i64.store(state.get(), pc.get(), State.PC);
    i32.store(state.get(), 0, State.FAULT);
    // Only what the instruction did, not the end of the budget, says something about the region.
    const notExecuted = code.let32(i32.shrU(exitSite.get(), EXIT_OFFSET_BITS));
    const blamed = code.let32(code.select(i32.const(start), i32.const(0), notExecuted.get()));
    i32.store(state.get(), blamed.get(), State.BAILED_REGION);
    const from = [
      state.get(),
      i32.add(remaining.get(), notExecuted.get()),
      this.#vars.returnTo.get(),
      this.#vars.depth.get(),
    ] as const;
    this.#functions.bail(code, from);
  }

  /** Loads what the block needs. */
  #load(index: number): void {
    const { i64 } = this.#code;
    const registers = this.#registers.live[index] as number;
    this.#vars.float.load(index);
    if (this.#functions.space.flat === undefined) {
      this.#vars.context.set(i64.load(this.#vars.state.get(), State.DATA_CONTEXT));
    }
    for (let register = 1; register < 32; register++) {
      if (((registers >>> register) & 1) === 0) continue;
      (this.#vars.x[register] as Var<"i64">).set(i64.load(this.#vars.state.get(), State.X + 8 * register));
    }
  }

  #store(registers: number): void {
    const { i64 } = this.#code;
    for (let register = 1; register < 32; register++) {
      if (((registers >>> register) & 1) === 0) continue;
      const variable = this.#vars.x[register] as Var<"i64">;
      i64.store(this.#vars.state.get(), variable.get(), State.X + 8 * register);
    }
  }

  #spill(): void {
    this.#store((this.#semantics as TranslatorSemantics).dirty);
    this.#vars.float.store();
  }

  /** Leaves before anything is loaded if the budget may not last until the next check. */
  #checkBudgetAtEntry(): void {
    this.#code.if(this.#mayNotLast(0), () => this.#leaveAtEntry(), undefined, "unlikely");
  }

  /** Leaves to the interpreter before anything was done. */
  #leaveAtEntry(): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { state, delta, remaining } = this.#vars;
    const pc = code.let64(i64.add(delta.get(), (this.#blocks[0] as Block).start));
    i64.store(state.get(), pc.get(), State.PC);
    i32.store(state.get(), 0, State.FAULT);
    i32.store(state.get(), 0, State.BAILED_REGION);
    code.return(i32.or(remaining.get(), Unwind.INTERPRET));
  }

  /** The same at a block in the region. */
  #checkBudget(index: number): void {
    const code = this.#code;
    const { i32 } = code;
    if ((this.#blocks[index] as Block).start === DISPATCH) {
      this.#enter(index);
      code.if(this.#mayNotLast(index), () => this.#gotoPc(this.#dispatchedPc), undefined, "unlikely");
      return;
    }
    const { exitSite, exitDirty } = this.#vars;
    exitSite.set(i32.const(exitSiteOf(this.#page, (this.#blocks[index] as Block).start, 0)));
    exitDirty.set(i32.const(this.#registers.dirty[index] as number));
    this.#vars.float.prepareExitAt(index);
    code.brIf(this.#bail as Label, this.#mayNotLast(index), "unlikely");
  }

  /**
   * Whether the budget may not last from the start of a block to the next check. Where harts are threads, also whether
   * there is mail: its word is 0 or above every budget, so that one comparison finds both.
   */
  #mayNotLast(index: number): I32 {
    const { i32 } = this.#code;
    const { state, remaining } = this.#vars;
    const longest = this.#longest[index] as number;
    if (this.#functions.atomics !== sharedMemory) return i32.ltS(remaining.get(), longest);
    return i32.ltS(i32.sub(remaining.get(), longest), i32.load(state.get(), Mailbox.MAIL));
  }

  /** @param isCached - Whether it is in a loop that knows the pages of its accesses. */
  #sequence(items: readonly Item[], isCached = false): void {
    const code = this.#code;
    const starts = items.map((item) => this.#startOf(item));
    for (const start of starts.slice(1).reverse()) this.#targets.set(start, code.beginBlock());
    items.forEach((item, index) => {
      if (index > 0) {
        this.#targets.delete(starts[index] as number);
        code.end();
      }
      if (item.kind === "block") this.#emitBlock(item.block);
      else {
        const start = starts[index] as number;
        const knowsPages = isCached || this.#forgetPages(item);
        this.#targets.set(start, code.beginLoop());
        this.#checkBudget(item.first);
        this.#sequence(item.items, knowsPages);
        this.#targets.delete(start);
        code.end();
      }
    });
  }

  /** Whether nothing but instructions of the region is executed while control is in an item. */
  #isPure(item: Item): boolean {
    if (item.kind === "loop") return item.items.every((inner) => this.#isPure(inner));
    const { isCall, instructions } = this.#blocks[item.block] as Block;
    return !isCall && instructions.every(({ instruction }) => instruction.flow !== "system");
  }

  /** Before a loop: whether it can know the pages of its accesses. */
  #forgetPages(loop: Item): boolean {
    if (!this.#isWhole || this.#functions.space.flat !== undefined || !this.#isPure(loop)) return false;
    this.#cache.forget(this.#cache.follow(this.#blocks, this.#successors, blocksOf([loop])));
    return true;
  }

  #startOf(item: Item): number {
    return startOf(this.#blocks[item.kind === "block" ? item.block : item.first] as Block);
  }

  #emitBlock(index: number): void {
    const { i32 } = this.#code;
    const { remaining } = this.#vars;
    const block = this.#blocks[index] as Block;
    this.#enter(index);
    if (block.start === DISPATCH) {
      this.#dispatch(block);
      return;
    }
    remaining.set(i32.sub(remaining.get(), block.instructions.length));
    (this.#semantics as TranslatorSemantics).emitBlock(block.instructions);
    if (!block.fallsThrough || block.isCall) return;
    this.#enterSecond(endOf(block));
    const next = this.#blocks[index + 1];
    if (next === undefined || startOf(next) !== endOf(block)) this.#goOn(endOf(block));
  }

  /** What is known of registers at the start of a block. */
  #enter(index: number): void {
    this.#block = index;
    this.#second.enterBlock(this.#blocks[index] as Block);
    (this.#semantics as TranslatorSemantics).dirty = this.#registers.dirty[index] as number;
    this.#vars.float.enter(index);
    (this.#semantics as TranslatorSemantics).pages = this.#cache.pagesOf(index);
  }

  /** Goes on where an indirect jump leads, in the region if that is known. */
  #dispatch({ targets }: Block): void {
    const code = this.#code;
    const { i32, i64 } = code;
    if (targets.some((target) => this.#second.isNeeded(target))) {
      this.#second.ensure(() => this.#gotoPc(this.#dispatchedPc));
    }
    const lowest = Math.min(...targets);
    const highest = Math.max(...targets);
    code.block((elsewhere) => {
      const labels = new Array<Label>((highest - lowest) / 2 + 1).fill(elsewhere);
      for (const target of targets) labels[(target - lowest) / 2] = this.#targets.get(target) ?? elsewhere;
      const offset = code.let64(i64.sub(this.#dispatchedPc.get(), this.#leaving.guest(lowest)));
      code.brIf(elsewhere, i64.geU(offset.get(), 2 * labels.length), "unlikely");
      code.brTable(i32.shrU(i32.wrapI64(offset.get()), 1), labels, elsewhere);
    });
    this.#spill();
    this.#leaving.countDispatch(this.#dispatchedPc);
    this.#leaving.toPc(this.#dispatchedPc);
  }

  /** Before control goes on at a place: makes sure of the second page if that is there. */
  #enterSecond(place: number): void {
    this.#second.enter(place, () => {
      this.#spill();
      this.#leaving.toUnknownPage(addressOf(place));
    });
  }

  #gotoPc(pc: Var<"i64">): void {
    const [target] = (this.#blocks[this.#block] as Block).targets;
    const label = target === DISPATCH ? this.#targets.get(DISPATCH) : undefined;
    if (label !== undefined) {
      this.#dispatchedPc.set(pc.get());
      this.#code.br(label);
      return;
    }
    this.#spill();
    this.#leaving.countDispatch(pc);
    this.#leaving.toPc(pc);
  }

  #goto(target: number): void {
    const place = this.#here(target);
    this.#enterSecond(place);
    this.#goOn(place);
  }

  /** The place of an address in the copy that the current block belongs to. */
  #here(address: number): number {
    return placeOf((this.#blocks[this.#block] as Block).copy, address);
  }

  #goOn(place: number): void {
    const label = this.#targets.get(place);
    if (label !== undefined) {
      this.#code.br(label);
      return;
    }
    this.#spill();
    this.#leaving.to(addressOf(place));
  }

  #branchIf(condition: I32, target: number): void {
    const place = this.#here(target);
    const label = this.#targets.get(place);
    const isPlain = !this.#second.isNeeded(place) || this.#second.isKnown;
    if (label !== undefined && isPlain) this.#code.brIf(label, condition);
    else this.#code.if(condition, () => this.#goto(target));
  }

  #call(target: number): void {
    const code = this.#code;
    const { i32 } = code;
    const { state, remaining } = this.#vars;
    const [callee] = (this.#blocks[this.#block] as Block).targets;
    if (callee !== undefined) {
      this.#enterSecond(callee);
      this.#goOn(callee);
      return;
    }
    this.#spill();
    this.#leaving.countCall(target, callSite(this.#blocks[this.#block] as Block, this.#pages));
    code.if(i32.eqz(this.#callsLeft()), () => this.#leaving.chain(target), undefined, "unlikely");
    const anywhere = (): I32 => {
      const from = [state.get(), remaining.get(), this.#returnAddress(), this.#deeper()] as const;
      return code.call(this.#functions.call, ...from, this.#leaving.guest(target));
    };
    if (!this.#second.isInPage(target)) {
      this.#afterCall(anywhere());
      return;
    }
    const index = this.#leaving.translationOf(target);
    const here = (): I32 => {
      const from = [state.get(), this.#leaving.deltaOf(target), remaining.get()] as const;
      const args = [...from, this.#returnAddress(), this.#deeper()] as const;
      return code.callIndirect(this.#functions.region, args, index.get());
    };
    this.#afterCall(code.choose("i32", i32.gtS(index.get(), 0), here, anywhere, "likely"));
  }

  /** Guest calls that may still be made as such. */
  #callsLeft(): I32 {
    return this.#code.i32.and(this.#vars.depth.get(), FROM_INTERPRETER - 1);
  }

  /** `depth` of what this region calls. */
  #deeper(): I32 {
    return this.#code.i32.sub(this.#callsLeft(), 1);
  }

  #callPc(pc: Var<"i64">): void {
    const code = this.#code;
    const { i32 } = code;
    const { state, remaining } = this.#vars;
    this.#spill();
    code.if(i32.eqz(this.#callsLeft()), () => this.#leaving.toPc(pc), undefined, "unlikely");
    const args = [state.get(), remaining.get(), this.#returnAddress(), this.#deeper(), pc.get()] as const;
    this.#afterCall(code.call(this.#functions.call, ...args));
  }

  #returnAddress(): I64 {
    return this.#leaving.guest((this.#blocks[this.#block] as Block).end);
  }

  #afterCall(result: I32): void {
    const code = this.#code;
    const { i32 } = code;
    const { remaining } = this.#vars;
    const left = remaining.tee(result);
    code.if(i32.ltS(left, 0), () => code.return(remaining.get()), undefined, "unlikely");
    const end = endOf(this.#blocks[this.#block] as Block);
    const next = this.#indexOf.get(end);
    if (next === undefined) {
      this.#leaving.chain(addressOf(end));
      return;
    }
    this.#load(next);
    (this.#semantics as TranslatorSemantics).dirty = 0;
    this.#enterSecond(end);
    if (!this.#loopHeaders.has(next)) this.#checkBudget(next);
    if (next !== this.#block + 1) this.#goOn(end);
  }

  #return(pc: Var<"i64">): void {
    const code = this.#code;
    const { remaining, returnTo } = this.#vars;
    const [caller] = (this.#blocks[this.#block] as Block).targets;
    if (caller !== undefined) {
      code.if(
        code.i64.eq(pc.get(), this.#leaving.guest(addressOf(caller))),
        () => {
          this.#enterSecond(caller);
          this.#goOn(caller);
        },
        undefined,
        "likely",
      );
    }
    this.#spill();
    code.if(code.i64.eq(pc.get(), returnTo.get()), () => code.return(remaining.get()));
    this.#leaving.toPc(pc);
  }
}
