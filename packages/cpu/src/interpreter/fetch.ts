import type { Code, I32, Label } from "@isomorph/wasm";
import type { InterpreterFunctions, InterpreterVars } from "./semantics.ts";

/** Whether an instruction, of which this is the lowest part, is a 16-bit one. */
export function isCompressed({ i32 }: Code, parcel: I32): I32 {
  return i32.ne(i32.and(parcel, 3), 3);
}

/**
 * Reads the instruction at `ip` into `word`, with what follows it if it is compressed, and takes it off `remaining`.
 *
 * @param fault - Where a fault of the upper half on the next page leads, at `ip`.
 * @param look - Emits what finds the code at `ip` anew, or why fetching needs a look.
 */
export function emitFetch(
  code: Code,
  vars: InterpreterVars,
  functions: InterpreterFunctions,
  fault: Label,
  look: () => void,
): void {
  const { i32 } = code;
  const { host } = functions.space;
  const ops = host.ops(code);
  const ram = host.ram(code).i32;
  const { ip, end, word, remaining } = vars;
  code.if(
    ops.geU(ip.get(), end.get()),
    () => {
      // The last parcel of the page, the end of it, or a request to look at interrupts.
      code.if(ops.ne(ip.get(), end.get()), look);
      word.set(ram.load16U(ip.get()));
      remaining.set(i32.sub(remaining.get(), 1));
      code.if(i32.eqz(isCompressed(code, word.get())), () => fetchSecondHalf(code, vars, functions, fault));
    },
    () => {
      word.set(ram.load(ip.get()));
      remaining.set(i32.sub(remaining.get(), 1));
    },
    "unlikely",
  );
}

/** The instruction's upper half lies on the next page. */
function fetchSecondHalf(
  code: Code,
  { state, ip, delta, word }: InterpreterVars,
  { space: { host }, mmu }: InterpreterFunctions,
  fault: Label,
): void {
  const { i32, i64 } = code;
  const ops = host.ops(code);
  code.scope(() => {
    const pc = i64.add(host.to64(code, ops.add(ip.get(), 2)), delta.get());
    const second = code.let64(pc);
    const found = host.let(code, code.call(mmu.fetch, state.get(), second.get()));
    code.brIf(fault, ops.eqz(found.get()));
    word.set(i32.or(word.get(), i32.shl(host.ram(code).i32.load16U(found.get()), 16)));
  });
}
