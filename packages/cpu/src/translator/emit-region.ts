import type { Code, I32, Label, Var } from "@isomorph/wasm";
import type { HartBlock } from "../core/soft-tlb.ts";
import type { Segment } from "./access-groups.ts";
import { BlockEmitter } from "./block-emitter.ts";
import { Budget } from "./budget.ts";
import { Calling } from "./calling.ts";
import { REGION_PARAMS } from "./chain.ts";
import { PAGE_SIZE } from "./code-reader.ts";
import { FloatRegisters } from "./float-registers.ts";
import { leaveAtEntry, leaveToInterpreter, loadRegisters, storeRegisters } from "./hart-registers.ts";
import { Leaving } from "./leaving.ts";
import { longestWays } from "./longest-ways.ts";
import { headsCheckedAtEnds, isPure } from "./loop-heads.ts";
import { MemoryAccesses } from "./memory-accesses.ts";
import { PageCache } from "./page-cache.ts";
import { addressOf, type Block, DISPATCH, endOf, placeOf, type Region, startOf } from "./region.ts";
import type { RegionFunctions, RegionVars } from "./region-functions.ts";
import { type RegisterFlow, registerFlow } from "./registers.ts";
import { SecondPage } from "./second-page.ts";
import { TranslatorSemantics } from "./semantics.ts";
import { SideExits } from "./side-exits.ts";
import { type SignExtended, signExtendedAtStarts } from "./sign-extended.ts";
import { skippedBlocks } from "./skipped-blocks.ts";
import { blocksOf, headersOf, type Item, structure, successorsOf } from "./structure.ts";

/**
 * Emits the function of a region. Guest registers are variables: loaded when a block that needs them is entered from
 * outside, stored when control leaves; in between control flows as in the guest. Entry and loops check that the budget
 * lasts for the longest way to the next check, so it is never overdrawn.
 *
 * @param hart - Address of the block of the one hart that executes it, if there is only one.
 */
export function emitRegion(
  code: Code,
  region: Region,
  functions: RegionFunctions,
  isPatient: boolean,
  hart: number | undefined,
): void {
  const [stateParam, pc, remaining, returnTo, depth] = code.start(REGION_PARAMS);
  const state: HartBlock =
    hart === undefined ? stateParam : { get: () => code.i32.const(hart | 0), address: hart };
  const x: (Var<"i64"> | undefined)[] = [];
  for (let register = 1; register < 32; register++) {
    if (((region.used >>> register) & 1) !== 0) x[register] = code.var("i64");
  }
  const vars: RegionVars = {
    page: region.pages.first,
    state,
    pc,
    delta: code.var("i64"),
    remaining,
    returnTo,
    depth,
    context: code.var("i64"),
    x,
    float: new FloatRegisters(code, state, region),
    exitSite: code.var("i32"),
    exitDirty: code.var("i32"),
  };
  new RegionEmitter(code, region, vars, functions, isPatient).emit();
}

class RegionEmitter {
  readonly #code: Code;
  /** In the order in which they are emitted. */
  readonly #blocks: readonly Block[];
  readonly #items: readonly Item[];
  readonly #loopHeaders: ReadonlySet<number>;
  readonly #indexOf = new Map<number, number>();
  readonly #vars: RegionVars;
  /** Host addresses of the region's page, and of its entry. */
  readonly #page: number;
  readonly #entry: number;
  readonly #isWhole: boolean;
  readonly #second: SecondPage;
  readonly #leaving: Leaving;
  readonly #functions: RegionFunctions;
  readonly #registers: RegisterFlow;
  readonly #successors: readonly (readonly number[])[];
  readonly #cache: PageCache;
  /** Blocks that are executed whether or not they are skipped. */
  readonly #skipped: ReadonlySet<number>;
  /** Whether the branch in front of a block that may be skipped is taken. */
  readonly #skip: Var<"i32">;
  /** For each block, what is known at its start. */
  readonly #signExtended: readonly SignExtended[];
  readonly #budget: Budget;
  readonly #calling: Calling;
  readonly #exits: SideExits;
  readonly #accesses: MemoryAccesses;
  readonly #emitter: BlockEmitter;
  /** Where a branch to a block goes, while one is possible, by place. */
  readonly #targets = new Map<number, Label>();
  /** Loops that look at the end of their turns whether there can be another one, by their first blocks. */
  readonly #heads: ReadonlyMap<number, Segment>;
  #block = 0;

  constructor(code: Code, region: Region, vars: RegionVars, functions: RegionFunctions, isPatient: boolean) {
    this.#code = code;
    const { blocks, items } = structure(region.blocks);
    this.#isWhole = region.isWhole;
    this.#blocks = blocks;
    this.#items = items;
    blocks.forEach((block, index) => {
      this.#indexOf.set(startOf(block), index);
    });
    this.#page = region.pages.first;
    this.#second = new SecondPage(code, vars, functions, region.pages, blocks);
    this.#leaving = new Leaving(code, vars, functions, this.#second, region);
    [this.#entry] = region.entries;
    this.#vars = vars;
    this.#functions = functions;
    const successors = successorsOf(blocks);
    this.#registers = registerFlow(blocks, blocks, successors);
    vars.float.follow(blocks, successors);
    this.#loopHeaders = headersOf(items);
    this.#skipped = skippedBlocks(blocks, successors, (block) => this.#second.isNeeded(startOf(block)));
    this.#skip = code.var("i32");
    this.#signExtended = signExtendedAtStarts(blocks, successors);
    this.#successors = successors;
    this.#cache = new PageCache(code, functions.space.host, vars.remaining);
    this.#budget = new Budget(code, vars, functions, longestWays(blocks, successors, this.#loopHeaders));
    this.#calling = new Calling(code, vars, functions, this.#second, this.#leaving, region.pages);
    this.#exits = new SideExits(code, vars);
    this.#accesses = new MemoryAccesses(code, vars, functions, this.#cache, this.#exits, isPatient);
    const flow = {
      branchIf: (condition: I32, target: number): void => this.#branchIf(condition, target),
      goto: (target: number): void => this.#goto(target),
      gotoPc: (pc: Var<"i64">): void => this.#gotoPc(pc),
      call: (target: number): void => this.#call(target),
      callPc: (pc: Var<"i64">): void => this.#callPc(pc),
      returnTo: (pc: Var<"i64">): void => this.#return(pc),
    };
    const semantics = new TranslatorSemantics(code, vars, functions, flow, this.#accesses, this.#exits);
    this.#emitter = new BlockEmitter(semantics, this.#accesses, this.#exits, vars.float, isPatient);
    const looksAhead = !isPatient && functions.space.flat !== undefined;
    this.#heads = looksAhead ? headsCheckedAtEnds(blocks, items) : new Map();
  }

  emit(): void {
    const code = this.#code;
    const items = this.#items;
    this.#setDelta();
    if (items[0]?.kind !== "loop") this.#checkBudgetAtEntry();
    if (this.#second.isNeeded(startOf(this.#blocks[0] as Block))) {
      this.#second.checkAtEntry(() => leaveAtEntry(this.#code, this.#vars, this.#functions));
    }
    this.#load(0);
    code.block((bail) => {
      this.#exits.target = bail;
      this.#sequence(items);
      code.unreachable();
    });
    const dirty = this.#blocks.reduce((all, { written }) => all | written, 0);
    leaveToInterpreter(code, this.#vars, this.#functions, { page: this.#page, entry: this.#entry, dirty });
  }

  /** From the guest address at which the region was entered, which is in its first page. */
  #setDelta(): void {
    const { i64 } = this.#code;
    const { pc, delta } = this.#vars;
    const { flat } = this.#functions.space;
    const known = flat === undefined ? undefined : i64.const(flat.base - flat.ramOffset);
    delta.set(known ?? i64.sub(i64.and(pc.get(), -PAGE_SIZE), this.#page));
  }

  /** Loads what the block needs. */
  #load(index: number): void {
    this.#vars.float.load(index);
    loadRegisters(this.#code, this.#vars, this.#functions, this.#registers.live[index] as number);
  }

  #spill(): void {
    storeRegisters(this.#code, this.#vars, this.#exits.dirty);
    this.#vars.float.store();
  }

  /** Leaves before anything is loaded if the budget may not last until the next check. */
  #checkBudgetAtEntry(): void {
    this.#code.if(
      this.#budget.mayNotLast(0),
      () => leaveAtEntry(this.#code, this.#vars, this.#functions),
      undefined,
      "unlikely",
    );
  }

  /** Leaves at a block in the region if the budget may not last. */
  #checkBudget(index: number): void {
    const code = this.#code;
    const block = this.#blocks[index] as Block;
    if (block.start === DISPATCH) {
      this.#enter(index);
      code.if(this.#budget.mayNotLast(index), () => this.#leaveAtDispatch(), undefined, "unlikely");
      return;
    }
    this.#exits.prepareAtStart(block, index, this.#registers.dirty[index] as number);
    this.#exits.leaveAtStart(this.#budget.mayNotLast(index));
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
      else if (this.#heads.has(item.first)) this.#loopCheckedAtEnds(item.first, item.items);
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

  /** A loop that looks whether a turn can be done before the first one and at the end of each. */
  #loopCheckedAtEnds(head: number, items: readonly Item[]): void {
    const code = this.#code;
    const start = startOf(this.#blocks[head] as Block);
    this.#checkHead(head);
    const out = code.beginBlock();
    const again = code.beginLoop();
    this.#targets.set(start, code.beginBlock());
    this.#sequence(items);
    code.br(out);
    this.#targets.delete(start);
    code.end();
    this.#checkHead(head);
    code.br(again);
    code.end();
    code.end();
  }

  /** Pays for the first block of such a loop, or leaves if the budget or an access of it is not what it should be. */
  #checkHead(index: number): void {
    const { instructions } = this.#blocks[index] as Block;
    this.#checkBudget(index);
    this.#enter(index);
    this.#budget.pay(instructions.length);
    this.#emitter.checkSegment(instructions, this.#heads.get(index) as Segment);
  }

  /** Before a loop: whether it can know the pages of its accesses. */
  #forgetPages(loop: Item): boolean {
    if (!this.#isWhole || this.#functions.space.flat !== undefined || !isPure(this.#blocks, loop))
      return false;
    this.#cache.forget(this.#cache.follow(this.#blocks, this.#successors, blocksOf([loop])));
    return true;
  }

  #startOf(item: Item): number {
    return startOf(this.#blocks[item.kind === "block" ? item.block : item.first] as Block);
  }

  #emitBlock(index: number): void {
    const block = this.#blocks[index] as Block;
    this.#enter(index);
    if (block.start === DISPATCH) {
      this.#dispatch(block);
      return;
    }
    if (this.#skipped.has(index)) this.#emitSkipped(block, index);
    else {
      const checked = this.#heads.get(index);
      if (checked === undefined) this.#budget.pay(block.instructions.length);
      this.#emitter.emit(block.instructions, this.#signExtended[index] as number, checked);
    }
    if (!block.fallsThrough || block.isCall) return;
    this.#enterSecond(endOf(block));
    const next = this.#blocks[index + 1];
    if (next === undefined || startOf(next) !== endOf(block)) this.#goOn(endOf(block));
  }

  /** A block that is executed in any case, and whose results hold only if it is not skipped. */
  #emitSkipped({ instructions, written }: Block, index: number): void {
    const code = this.#code;
    this.#budget.payUnless(this.#skip, instructions.length);
    const result = this.#vars.x[31 - Math.clz32(written)] as Var<"i64">;
    code.scope(() => {
      const old = code.let64(result.get());
      this.#emitter.emit(instructions, this.#signExtended[index] as number);
      result.set(code.select(old.get(), result.get(), this.#skip.get()));
    });
  }

  /** What is known of registers at the start of a block. */
  #enter(index: number): void {
    this.#block = index;
    this.#second.enterBlock(this.#blocks[index] as Block);
    this.#exits.dirty = this.#registers.dirty[index] as number;
    this.#vars.float.enter(index);
    this.#accesses.pages = this.#cache.pagesOf(index);
  }

  /** Leaves to the interpreter where control was to be led. */
  #leaveAtDispatch(): void {
    this.#spill();
    leaveAtEntry(this.#code, this.#vars, this.#functions);
  }

  /** Goes on where an indirect jump or an entry leads, in the region if that is known. */
  #dispatch({ targets }: Block): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { pc } = this.#vars;
    const lowest = Math.min(...targets);
    const highest = Math.max(...targets);
    const inSecond = targets.filter((target) => this.#second.isNeeded(target));
    code.block((elsewhere) => {
      const labels = new Array<Label>((highest - lowest) / 2 + 1).fill(elsewhere);
      for (const target of targets) labels[(target - lowest) / 2] = this.#targets.get(target) ?? elsewhere;
      const offset = code.let64(i64.sub(pc.get(), this.#leaving.guest(lowest)));
      code.brIf(elsewhere, i64.geU(offset.get(), 2 * labels.length), "unlikely");
      if (inSecond.length > 0) {
        // Not for the first page: leaving for one of the region's own entries would lead back here.
        code.if(i64.geU(offset.get(), Math.min(...inSecond) - lowest), () =>
          this.#second.ensure(() => code.br(elsewhere)),
        );
      }
      code.brTable(i32.shrU(i32.wrapI64(offset.get()), 1), labels, elsewhere);
    });
    this.#spill();
    this.#leaving.jumpTo(pc);
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
      this.#vars.pc.set(pc.get());
      this.#code.br(label);
      return;
    }
    this.#spill();
    this.#leaving.jumpTo(pc);
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
    if (this.#skipped.has(this.#block + 1)) {
      this.#skip.set(condition);
      return;
    }
    const label = this.#targets.get(place);
    const isPlain = !this.#second.isNeeded(place) || this.#second.isKnown;
    if (label !== undefined && isPlain) this.#code.brIf(label, condition);
    else this.#code.if(condition, () => this.#goto(target));
  }

  #call(target: number): void {
    const caller = this.#blocks[this.#block] as Block;
    const [callee] = caller.targets;
    if (callee !== undefined) {
      this.#enterSecond(callee);
      this.#goOn(callee);
      return;
    }
    this.#spill();
    this.#afterCall(this.#calling.to(target, caller));
  }

  #callPc(pc: Var<"i64">): void {
    this.#spill();
    this.#afterCall(this.#calling.toPc(pc, this.#blocks[this.#block] as Block));
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
    this.#exits.dirty = 0;
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
