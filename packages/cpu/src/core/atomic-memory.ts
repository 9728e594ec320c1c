import type { HostAddress, HostAddresses } from "@isomorph/mmu";
import type { Code, I32, I64, Int, Var } from "@isomorph/wasm";
import type { AmoOperation } from "../isa/semantics.ts";
import { combineAmo } from "../isa/semantics-shared.ts";
import { hostLoad, hostStore } from "./soft-tlb.ts";

/**
 * How the A extension and FENCE reach memory at aligned host addresses. With one thread plain accesses do; with
 * a thread for each hart they are WebAssembly's atomics.
 */
export interface AtomicMemory {
  /** Whether harts have threads of their own. */
  readonly isShared: boolean;
  /** Loads and sign-extends. */
  load(code: Code, host: HostAddress, size: 4 | 8): I64;
  /** 1 if memory held `expected`, as {@link load} gave it, and now holds `value`; else 0. */
  storeIf(code: Code, host: Var<Int>, expected: () => I64, value: Var<"i64">, size: 4 | 8): I32;
  /** Combines memory with an operand; gives back what was there, sign-extended. */
  amo(code: Code, host: Var<Int>, operand: Var<"i64">, size: 4 | 8, operation: AmoOperation): I64;
  fence(code: Code): void;
}

/** For harts that take turns on one thread, which sees its own accesses in order. */
export function plainMemory({ ram }: HostAddresses): AtomicMemory {
  return {
    isShared: false,
    load: (code, host, size) => hostLoad(ram(code), host, size, true),
    storeIf(code, host, expected, value, size) {
      const stored = code.var("i32");
      stored.set(code.i64.eq(hostLoad(ram(code), host.get(), size, true), expected()));
      code.if(stored.get(), () => hostStore(ram(code), host.get(), value.get(), size));
      return stored.get();
    },
    amo(code, host, operand, size, operation) {
      const old = code.let64(hostLoad(ram(code), host.get(), size, true));
      hostStore(ram(code), host.get(), combineAmo(code, old, operand, size, operation), size);
      return old.get();
    },
    fence() {},
  };
}

const INSTRUCTION = { swap: "exchange", add: "add", xor: "xor", and: "and", or: "or" } as const;

/**
 * For harts on threads of their own. WebAssembly's atomics are sequentially consistent, which is at least what any `aq`
 * and `rl` ask for (RVWMO, unprivileged specification, chapter 17).
 */
export function sharedMemory({ ram }: HostAddresses): AtomicMemory {
  return {
    isShared: true,
    load: (code, host, size) => extend(code, ram(code).atomic.load(host, size), size),
    storeIf(code, host, expected, value, size) {
      const wanted = code.let64(unsigned(code, expected(), size));
      const found = ram(code).atomic.compareExchange(host.get(), wanted.get(), value.get(), size);
      return code.i64.eq(found, wanted.get());
    },
    amo(code, host, operand, size, operation) {
      if (operation in INSTRUCTION) {
        const instruction = INSTRUCTION[operation as keyof typeof INSTRUCTION];
        return extend(
          code,
          ram(code).atomic.readModifyWrite(instruction, host.get(), operand.get(), size),
          size,
        );
      }
      // Minimum and maximum, of which WebAssembly has none: tried until no other hart has been in between.
      const { i64 } = code;
      const found = code.let64(ram(code).atomic.load(host.get(), size));
      const old = code.var("i64");
      code.loop((again) => {
        old.set(found.get());
        const combined = code.let64(combineAmo(code, old, operand, size, operation));
        found.set(ram(code).atomic.compareExchange(host.get(), old.get(), combined.get(), size));
        code.brIf(again, i64.ne(found.get(), old.get()));
      });
      return extend(code, old.get(), size);
    },
    fence: (code) => code.atomic.fence(),
  };
}

function extend(code: Code, value: I64, size: 4 | 8): I64 {
  return size === 4 ? code.i64.extend32S(value) : value;
}

/** The low `size` bytes, zero-extended. */
function unsigned(code: Code, value: I64, size: 4 | 8): I64 {
  return size === 4 ? code.i64.and(value, 0xffffffff) : value;
}
