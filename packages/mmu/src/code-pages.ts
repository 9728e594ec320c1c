import type { Code, FunctionRef, I32, Int, ModuleBuilder, Value } from "@isomorph/wasm";
import { PAGE_BITS } from "./formats.ts";
import type { MmuOptions } from "./options.ts";
import { PageFlag, TLB_ENTRIES, Tlb } from "./state.ts";

/** The flags of RAM pages, as WebAssembly functions. */
export interface PageFunctions {
  /** (ramOffset, length): the guest is about to write a range within one page. Offsets are as wide as host addresses. */
  readonly touch: FunctionRef<readonly [Int, "i32"], undefined>;
  /** (ramOffset): from now on `codeWritten` hears of stores to the page. */
  readonly protectCode: FunctionRef<readonly [Int], undefined>;
  /** (state): removes a hart's write tags of all pages that hold translated code. Only where harts are threads. */
  readonly stripCodePages: FunctionRef<readonly ["i32"], undefined>;
}

/** The index of the page at an offset from the start of RAM. */
export function pageOf(c: Code, offset: Value<Int>, { host }: MmuOptions): I32 {
  return host.to32(c, host.ops(c).shrU(offset, PAGE_BITS));
}

/** Pushes whether a page of RAM holds translated code, by its index. */
export function holdsCode(c: Code, page: () => I32, { pageFlagsOffset, threads }: MmuOptions): I32 {
  if (threads !== undefined) return c.i32.load8U(page(), threads.codeHoldersOffset);
  return c.i32.and(c.i32.load8U(page(), pageFlagsOffset), PageFlag.CODE);
}

export function definePages(module: ModuleBuilder, options: MmuOptions): PageFunctions {
  const { host, pageFlagsOffset, ramOffset, harts, imports } = options;

  const touch = module.function("touch", [host.type, "i32"], undefined, (c, [offset, length]) => {
    const page = c.let32(pageOf(c, offset.get(), options));
    c.if(
      holdsCode(c, () => page.get(), options),
      () => {
        c.call(imports.codeWritten, offset.get(), length.get());
      },
    );
    // With threads this byte holds no other flag than this one, so that plain stores lose nothing.
    c.i32.store8(
      page.get(),
      c.i32.or(c.i32.load8U(page.get(), pageFlagsOffset), PageFlag.DIRTY),
      pageFlagsOffset,
    );
  });

  /** Removes the page's write tags from one TLB. */
  const strip = module.function("stripWriteTags", ["i32", host.type], undefined, (c, [state, wanted]) => {
    const ops = host.ops(c);
    const left = c.let32(c.i32.const(TLB_ENTRIES));
    const entry = c.let32(c.i32.add(state.get(), Tlb.START));
    const tag = c.var(host.type);
    c.loop((next) => {
      c.if(c.i32.eqz(ops.eqz(tag.tee(ops.load(entry.get(), Tlb.WRITE)))), () => {
        // A tag's low bits and the addend give the host address, the tag's context being below the page's bits.
        c.if(
          ops.eq(
            ops.and(
              ops.add(ops.and(tag.get(), -1 << PAGE_BITS), ops.load(entry.get(), Tlb.ADDEND)),
              -1 << PAGE_BITS,
            ),
            wanted.get(),
          ),
          () => c.i64.store(entry.get(), 0, Tlb.WRITE),
        );
      });
      entry.set(c.i32.add(entry.get(), Tlb.ENTRY_SIZE));
      left.set(c.i32.sub(left.get(), 1));
      c.brIf(next, left.get());
    });
  });

  const protectCode = module.function("protectCode", [host.type], undefined, (c, [offset]) => {
    const ops = host.ops(c);
    const page = c.let32(pageOf(c, offset.get(), options));
    const flags = c.let32(c.i32.load8U(page.get(), pageFlagsOffset));
    c.if(c.i32.and(flags.get(), PageFlag.CODE), () => c.return());
    c.i32.store8(page.get(), c.i32.or(flags.get(), PageFlag.CODE), pageFlagsOffset);
    const address = host.let(c, ops.add(ops.and(offset.get(), -1 << PAGE_BITS), ramOffset));
    const hart = c.let32(c.i32.const(0));
    c.loop((next) => {
      c.call(strip, c.i32.add(c.i32.mul(hart.get(), harts.stride), harts.start), address.get());
      hart.set(c.i32.add(hart.get(), 1));
      c.brIf(next, c.i32.ltU(hart.get(), harts.count));
    });
  });

  const stripCodePages = module.function("stripCodePages", ["i32"], undefined, (c, [state]) => {
    const ops = host.ops(c);
    const left = c.let32(c.i32.const(TLB_ENTRIES));
    const entry = c.let32(c.i32.add(state.get(), Tlb.START));
    const tag = c.var(host.type);
    c.loop((next) => {
      c.if(c.i32.eqz(ops.eqz(tag.tee(ops.load(entry.get(), Tlb.WRITE)))), () => {
        const address = host.let(
          c,
          ops.add(ops.and(tag.get(), -1 << PAGE_BITS), ops.load(entry.get(), Tlb.ADDEND)),
        );
        const page = (): I32 => pageOf(c, ops.sub(address.get(), ramOffset), options);
        c.if(holdsCode(c, page, options), () => c.i64.store(entry.get(), 0, Tlb.WRITE));
      });
      entry.set(c.i32.add(entry.get(), Tlb.ENTRY_SIZE));
      left.set(c.i32.sub(left.get(), 1));
      c.brIf(next, left.get());
    });
  });

  return { touch, protectCode, stripCodePages };
}
