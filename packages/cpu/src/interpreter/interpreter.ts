import type { FlatLayout, HostAddress, HostAddresses } from "@isomorph/mmu";
import type { Code, I32, I64, Int, IntegerOps, Label, MemoryOps, Var } from "@isomorph/wasm";
import { hostFields } from "../core/host-fields.ts";
import { fetchTlbEntry, fetchTlbHit, fetchTlbHost } from "../core/soft-tlb.ts";
import { Counter, emitAdd, emitBailCount } from "../counters.ts";
import { type CompressedInstruction, compressed } from "../isa/compressed.ts";
import { instructionByName } from "../isa/index.ts";
import type { Instruction } from "../isa/instruction.ts";
import { State } from "../state.ts";
import { Mailbox } from "../threads/layout.ts";
import { FROM_INTERPRETER, NO_RETURN, type RegionSignature, Skip, Unwind } from "../translator/chain.ts";
import {
  blameOf,
  type CodeMap,
  entryOf,
  PATIENCE_LIMIT,
  type TableFor,
  tableOf,
} from "../translator/code-map.ts";
import { CompressedSemantics } from "./compressed.ts";
import { emitParcelDispatch } from "./dispatch.ts";
import { emitFetch, isCompressed } from "./fetch.ts";
import { Exit, type InterpreterFunctions, InterpreterSemantics, type InterpreterVars } from "./semantics.ts";
import { COMMON_INSTRUCTIONS, isCommon, Outcome, type Uncommon } from "./uncommon.ts";

export interface InterpreterOptions {
  readonly functions: InterpreterFunctions;
  /** Host address of the expansion table of compressed instructions: 65536 words. */
  readonly expansionTable: number;
  readonly codeMap: CodeMap;
  readonly tableFor: TableFor;
  /** Number of times a jump target is reached before it is asked to be translated; 0 never asks. */
  readonly translationThreshold: number;
}

const PAGE_MASK = -4096;
const PARCEL = 2;
/** A page key that no host address has: code outside whole pages. */
const NO_PAGE = 1;
const TRAP_LOOP_LIMIT = 4096;

/**
 * The interpreter's one function. Three nested loops: `resync` finds the code at PC after anything that may have
 * moved it, `lookup` asks for a translation of the block at `ip`, `next` executes one instruction.
 */
export class InterpreterEmitter {
  readonly #code: Code;
  readonly #vars: InterpreterVars;
  readonly #options: InterpreterOptions;
  readonly #signature: RegionSignature;
  readonly #uncommon: Uncommon;
  readonly #host: HostAddresses;
  /** Arithmetic on host addresses. */
  readonly #ops: IntegerOps<Int>;
  readonly #ram: MemoryOps;
  /** Host page that branches may stay in, or {@link NO_PAGE}. */
  readonly #page: Var<Int>;
  /** Calls that regions may make as such. */
  readonly #depth: Var<"i32">;
  /** Not 0 when the block at PC is not to be looked up but interpreted: {@link Skip}. */
  readonly #skipLookup: Var<"i32">;

  constructor(
    code: Code,
    vars: InterpreterVars,
    depth: Var<"i32">,
    skipLookup: Var<"i32">,
    options: InterpreterOptions,
    signature: RegionSignature,
    uncommon: Uncommon,
  ) {
    this.#code = code;
    this.#vars = vars;
    this.#depth = depth;
    this.#skipLookup = skipLookup;
    this.#options = options;
    this.#signature = signature;
    this.#uncommon = uncommon;
    this.#host = options.functions.space.host;
    this.#ops = this.#host.ops(code);
    this.#ram = this.#host.ram(code);
    this.#page = code.var(this.#host.type);
  }

  emit(): void {
    const code = this.#code;
    code.loop((resync) => {
      code.if(
        this.#isNested(),
        () => this.#lookAtCaller(),
        () => this.#takeInterrupt(resync),
      );
      this.#enterPage(resync);
      code.loop((lookup) => {
        this.#lookAtMail(resync);
        this.#lookUp(resync);
        code.loop((next) => this.#step(resync, lookup, next));
      });
    });
  }

  /** Whether a region called, and waits for a return to it. */
  #isNested(): I32 {
    return this.#code.i64.ne(this.#vars.returnTo.get(), NO_RETURN);
  }

  /** In place of a region: returns when the guest does. What may change the mapping of code is the outermost's. */
  #lookAtCaller(): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { state, remaining, returnTo } = this.#vars;
    const attention = (): I32 => i32.load(state.get(), State.ATTENTION);
    const { mail } = this.#options.functions;
    code.if(mail === undefined ? attention() : i32.or(attention(), i32.load(state.get(), Mailbox.MAIL)), () =>
      this.#unwind(Unwind.CONTINUE),
    );
    code.if(i64.eq(i64.load(state.get(), State.PC), returnTo.get()), () => code.return(remaining.get()));
  }

  /** Goes on at PC in the outermost interpreter. */
  #unwind(how: number): void {
    const code = this.#code;
    code.return(code.i32.or(this.#vars.remaining.get(), how));
  }

  /** Returns from the outermost interpreter; PC is stored. Another lets that one find the reason again. */
  #exit(reason: number): void {
    const code = this.#code;
    const { i32 } = code;
    const { state, remaining } = this.#vars;
    code.if(this.#isNested(), () => this.#unwind(Unwind.CONTINUE));
    i32.store(state.get(), remaining.get(), State.REMAINING);
    i32.store(state.get(), reason, State.EXIT);
    code.return(i32.const(0));
  }

  /** Stores the guest address of a host address as PC. */
  #storePc(host: HostAddress): void {
    const code = this.#code;
    const { i64 } = code;
    code.scope(() => {
      const pc = code.let64(i64.add(this.#host.to64(code, host), this.#vars.delta.get()));
      i64.store(this.#vars.state.get(), pc.get(), State.PC);
    });
  }

  /** Looks at interrupts and stop requests if something asked for it. */
  #takeInterrupt(resync: Label): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { state, remaining } = this.#vars;
    const { csrs, mail } = this.#options.functions;
    if (mail !== undefined) {
      code.if(i32.load(state.get(), Mailbox.MAIL), () => code.call(mail, state.get()));
    }
    code.if(i32.load(state.get(), State.ATTENTION), () => {
      i32.store(state.get(), 0, State.ATTENTION);
      code.if(i32.load(state.get(), State.EXIT_REQUESTED), () => {
        i32.store(state.get(), 0, State.EXIT_REQUESTED);
        i32.store(state.get(), 1, State.ATTENTION);
        this.#exit(Exit.REQUESTED);
      });
      code.scope(() => {
        const cause = code.let64(code.call(csrs.pendingInterrupt, state.get()));
        code.if(i64.ne(cause.get(), 0), () => {
          i32.store(state.get(), remaining.get(), State.REMAINING);
          code.call(csrs.takeTrap, state.get(), cause.get(), i64.const(0));
          code.br(resync);
        });
      });
    });
  }

  /** Translates PC: sets `ip`, `delta`, `end` and the page key, or takes the fault. */
  #enterPage(resync: Label): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const ops = this.#ops;
    const host = this.#host;
    const { state, ip, end, delta, remaining } = this.#vars;
    const { flat } = this.#options.functions.space;
    code.scope(() => {
      const pc = code.let64(i64.load(state.get(), State.PC));
      const entry = flat === undefined ? fetchTlbEntry(code, state, pc, host) : undefined;
      const at = flat === undefined ? undefined : code.let64(i64.add(pc.get(), -flat.base));
      code.if(
        entry === undefined
          ? i64.ltU((at as Var<"i64">).get(), (flat as FlatLayout).size)
          : fetchTlbHit(code, entry, pc, state, host),
        () => {
          if (entry === undefined) {
            ip.set(ops.add(host.from64(code, (at as Var<"i64">).get()), (flat as FlatLayout).ramOffset | 0));
          } else {
            ip.set(fetchTlbHost(code, entry, pc, host));
            // Regions that go on in one another find its translations by this.
            const known = host.fetchTlb.START + host.fetchTlb.EXTRA;
            code.if(i32.eqz(i32.load(entry.at.get(), known)), () =>
              i32.store(entry.at.get(), tableOf(code, this.#options.codeMap, host, ip), known),
            );
          }
          this.#page.set(ops.and(ip.get(), PAGE_MASK));
          end.set(ops.add(this.#page.get(), 4094));
        },
        () => {
          code.if(i32.eqz(remaining.get()), () => this.#exit(Exit.BUDGET));
          ip.set(code.call(this.#options.functions.mmu.fetch, state.get(), pc.get()));
          code.if(ops.eqz(ip.get()), () => {
            remaining.set(i32.sub(remaining.get(), 1));
            this.#takeFault(resync);
          });
          const run = code.let32(i32.load(state.get(), State.FETCH_RUN));
          end.set(ops.add(ip.get(), host.from32(code, i32.sub(run.get(), 2))));
          // A single parcel says nothing of the rest of the page, even where it is the last one: every branch asks again.
          this.#page.set(
            code.select(ops.and(ip.get(), PAGE_MASK), ops.const(NO_PAGE), i32.ne(run.get(), PARCEL)),
          );
          // A translation would execute the rest of the page too.
          code.if(ops.eq(this.#page.get(), NO_PAGE), () =>
            this.#skipLookup.set(i32.const(Skip.UNTRANSLATABLE)),
          );
        },
      );
      delta.set(i64.sub(pc.get(), host.to64(code, ip.get())));
    });
  }

  /** A loop leaves for what other threads want. */
  #lookAtMail(resync: Label): void {
    const code = this.#code;
    const { state, ip } = this.#vars;
    if (this.#options.functions.mail === undefined) return;
    code.if(code.i32.load(state.get(), Mailbox.MAIL), () => {
      this.#storePc(ip.get());
      code.br(resync);
    });
  }

  /** Calls the translation of the block at `ip`, or counts how often the block is reached. */
  #lookUp(resync: Label): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { state, ip, delta, remaining } = this.#vars;
    const threshold = this.#options.translationThreshold;
    if (threshold === 0) return;
    code.scope(() => {
      code.if(
        this.#skipLookup.get(),
        () => {
          const bailed = i32.eq(this.#skipLookup.get(), Skip.BAILED);
          this.#skipLookup.set(i32.const(0));
          code.if(bailed, () => {
            emitBailCount(code, state, this.#host, ip);
            // Where there is no TLB to miss, patience does not help.
            this.#blameRegion();
          });
        },
        () => {
          const table = code.let32(tableOf(code, this.#options.codeMap, this.#host, ip));
          code.if(i32.eqz(table.get()), () => {
            table.set(code.call(this.#options.tableFor, ip.get()));
            code.if(i32.eqz(table.get()), () => this.#exitHot(this.#ops.const(0)));
          });
          const entry = code.let32(entryOf(code, table.get(), this.#host.to32(code, ip.get())));
          const value = code.let32(i32.load16S(entry.get()));
          code.if(i32.gtS(value.get(), 0), () => {
            const before = code.let32(remaining.get());
            const pc = (): I64 => i64.add(this.#host.to64(code, ip.get()), delta.get());
            const from = [state.get(), pc(), remaining.get()] as const;
            const to = [this.#vars.returnTo.get(), i32.or(this.#depth.get(), FROM_INTERPRETER)] as const;
            const args = [...from, ...to] as const;
            const result = code.let32(code.callIndirect(this.#signature, args, value.get()));
            remaining.set(i32.and(result.get(), Unwind.REMAINING));
            code.if(i32.eq(i32.shrU(result.get(), 30), 3), () =>
              this.#skipLookup.set(i32.const(Skip.BAILED)),
            );
            const retired = (): I32 => i32.sub(before.get(), remaining.get());
            emitAdd(code, state, Counter.REGION_INSTRUCTIONS, retired);
            emitAdd(code, state, Counter.REGION_CALLS, () => i32.const(1));
            code.if(i32.geS(result.get(), 0), () => code.return(result.get()));
            code.br(resync);
          });
          // Counts down to the threshold and stays there: code that cannot be translated may be reached for ever.
          code.if(i32.and(i32.gtS(value.get(), -threshold), this.#counts()), () => {
            value.set(i32.sub(value.get(), 1));
            const isHot = code.let32(i32.eq(value.get(), -threshold));
            code.if(i32.and(isHot.get(), this.#isNested()), () => this.#handUp(Unwind.CONTINUE));
            i32.store16(entry.get(), value.get());
            code.if(isHot.get(), () => this.#exitHot(ip.get()));
          });
        },
      );
    });
  }

  /** Leaves the instruction at PC, which was paid for, to the outermost interpreter. No region is to blame. */
  #handUpInstruction(): void {
    const { i32 } = this.#code;
    const { state, remaining } = this.#vars;
    i32.store(state.get(), 0, State.FAULT);
    this.#ops.store(state.get(), 0, hostFields(this.#host).BAILED_REGION);
    remaining.set(i32.add(remaining.get(), 1));
    this.#unwind(Unwind.INTERPRET);
  }

  /** Leaves what is at `ip` to the outermost interpreter. */
  #handUp(how: number): void {
    this.#storePc(this.#vars.ip.get());
    this.#unwind(how);
  }

  /**
   * Whether reaching the block at `ip` counts. Where calls return to is as hot as the function that it is in: its
   * translation would only be a second one of the rest of that. Every eighth time counts, since what looks like a call
   * before `ip` may be the end of another function.
   */
  #counts(): I32 {
    const code = this.#code;
    const { i32 } = code;
    const { ip, remaining } = this.#vars;
    const word = code.let32(this.#ram.i32.load(this.#ops.sub(ip.get(), 4)));
    const isCall = i32.eq(i32.and(word.get(), 0xfff), 0x0ef);
    const isIndirect = i32.eq(i32.and(word.get(), 0x7fff), 0x00e7);
    const isShort = i32.eq(i32.and(i32.shrU(word.get(), 16), 0xf07f), 0x9002);
    return i32.or(i32.eqz(i32.or(isCall, i32.or(isIndirect, isShort))), i32.eqz(i32.and(remaining.get(), 7)));
  }

  /** Asks for a patient translation of a region that often leaves instructions to the interpreter. */
  #blameRegion(): void {
    const code = this.#code;
    const { i32 } = code;
    const { state } = this.#vars;
    const ops = this.#ops;
    const region = this.#host.let(code, ops.load(state.get(), hostFields(this.#host).BAILED_REGION));
    code.if(this.#host.isThere(code, region.get()), () => {
      const low = this.#host.to32(code, region.get());
      const count = code.let32(blameOf(code, this.#options.codeMap, low));
      const times = code.let32(i32.add(i32.load16U(count.get()), 1));
      code.if(
        i32.ltU(times.get(), PATIENCE_LIMIT),
        () => i32.store16(count.get(), times.get()),
        () => {
          code.if(this.#isNested(), () => this.#handUp(Unwind.INTERPRET));
          i32.store16(count.get(), 0);
          this.#exitHot(ops.or(region.get(), 1));
        },
      );
    });
  }

  /** Asks for the translation at a host address; 0 for more room in the code map. Goes on at `ip` afterwards. */
  #exitHot(host: HostAddress): void {
    const { state, ip } = this.#vars;
    const block = this.#host.let(this.#code, host);
    this.#storePc(ip.get());
    this.#ops.store(state.get(), block.get(), hostFields(this.#host).HOT_BLOCK);
    this.#exit(Exit.HOT_BLOCK);
  }

  /** Takes the exception in FAULT at PC. */
  #takeFault(resync: Label): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { state, remaining } = this.#vars;
    code.if(this.#isNested(), () => this.#handUpInstruction());
    i32.store(state.get(), remaining.get(), State.REMAINING);
    code.scope(() => {
      const cause = code.let64(i64.extendI32U(i32.sub(i32.load(state.get(), State.FAULT), 1)));
      i32.store(state.get(), 0, State.FAULT);
      const tval = i64.load(state.get(), State.FAULT_ADDRESS);
      const value = code.let64(tval);
      const { csrs, leave } = this.#options.functions;
      code.call(leave ?? csrs.takeTrap, state.get(), cause.get(), value.get());
    });
    if (this.#options.functions.leave !== undefined) {
      this.#exit(Exit.TRAP);
      return;
    }
    code.if(i32.gtU(i32.load(state.get(), State.TRAPS_IN_A_ROW), TRAP_LOOP_LIMIT), () =>
      this.#exit(Exit.TRAP_LOOP),
    );
    code.br(resync);
  }

  /** Fetches and executes one instruction. */
  #step(resync: Label, lookup: Label, next: Label): void {
    const code = this.#code;
    const { i32, i64 } = code;
    const { state, ip, end, word, remaining, target } = this.#vars;
    const system = code.beginBlock();
    const fault = code.beginBlock();
    const illegal = code.beginBlock();
    const jump = code.beginBlock();
    const branch = code.beginBlock();
    const uncommon = code.beginBlock();
    code.if(
      i32.eqz(remaining.get()),
      () => {
        this.#storePc(ip.get());
        this.#exit(Exit.BUDGET);
      },
      undefined,
      "unlikely",
    );
    emitFetch(code, this.#vars, this.#options.functions, fault, () => {
      this.#storePc(ip.get());
      code.br(resync);
    });
    const labels = { system, fault, illegal, branch, jump, resync };
    const semantics = new InterpreterSemantics(code, this.#vars, labels, this.#options.functions);
    const compressedSemantics = new CompressedSemantics(code, this.#vars, labels, this.#options.functions);
    const goOn = (length: number): void => {
      ip.set(this.#ops.add(ip.get(), length));
      code.br(next);
    };
    const emit = (instruction: Instruction): void => {
      semantics.emit(instruction);
      goOn(4);
    };
    const emitCompressed = (row: CompressedInstruction): void => {
      if (!isCommon(instructionByName(row.base))) {
        const parcel = i32.and(word.get(), 0xffff);
        word.set(i32.load(i32.shl(parcel, 2), this.#options.expansionTable));
        code.br(uncommon);
        return;
      }
      compressedSemantics.emitCompressed(row);
      goOn(2);
    };
    emitParcelDispatch(
      { code, word, none: illegal, emit: emitCompressed },
      compressed,
      { code, word, none: uncommon, emit },
      COMMON_INSTRUCTIONS,
    );
    code.end();
    const outcome = code.let32(code.call(this.#uncommon, state.get(), word.get(), remaining.get()));
    code.brIf(illegal, i32.eq(outcome.get(), Outcome.ILLEGAL), "unlikely");
    code.brIf(fault, outcome.get(), "unlikely");
    // It may have been an access to a device.
    code.if(i32.load(state.get(), State.ATTENTION), () => end.set(this.#ops.const(0)));
    const length = (): I32 =>
      code.select(i32.const(2), i32.const(4), isCompressed(code, this.#ram.i32.load8U(ip.get())));
    ip.set(this.#ops.add(ip.get(), this.#host.from32(code, length())));
    code.br(next);
    code.end();
    // A branch was taken. Only loops are worth a look at the translations.
    this.#stayInPage(resync);
    const backward = code.let32(this.#ops.leU(target.get(), ip.get()));
    ip.set(target.get());
    code.brIf(lookup, backward.get());
    code.br(next);
    code.end();
    this.#stayInPage(resync);
    ip.set(target.get());
    code.br(lookup);
    code.end();
    i32.store(state.get(), 3, State.FAULT);
    const bits = code.choose(
      "i64",
      isCompressed(code, this.#ram.i32.load8U(ip.get())),
      () => this.#ram.i64.load16U(ip.get()),
      () => i64.extendI32U(word.get()),
    );
    const encoding = code.let64(bits);
    i64.store(state.get(), encoding.get(), State.FAULT_ADDRESS);
    code.end();
    this.#storePc(ip.get());
    this.#takeFault(resync);
    code.end();
    this.#storePc(ip.get());
    this.#handUpInstruction();
  }

  /** Leaves by way of PC when `target` is not in the page. */
  #stayInPage(resync: Label): void {
    const code = this.#code;
    const ops = this.#ops;
    const { target } = this.#vars;
    code.if(
      ops.ne(ops.and(target.get(), PAGE_MASK), this.#page.get()),
      () => {
        this.#storePc(target.get());
        code.br(resync);
      },
      undefined,
      "unlikely",
    );
  }
}
