import type { Code, Var } from "@isomorph/wasm";
import type { Csr } from "./description.ts";

/** Neighbours in the address space that one piece of code serves. */
interface CsrRange {
  readonly first: number;
  readonly last: number;
  readonly csr: Csr;
}

/** Whether the code for `a` serves `b`, given the address. */
function alike(a: Csr, b: Csr): boolean {
  if (a.guard !== b.guard) return false;
  if (a.rule.kind === "constant" && b.rule.kind === "constant") return a.rule.value === b.rule.value;
  return a.rule.kind === "pmp-address" && b.rule.kind === "pmp-address";
}

function ranges(csrs: readonly Csr[]): CsrRange[] {
  const result: CsrRange[] = [];
  for (const csr of csrs) {
    const previous = result.at(-1);
    if (previous !== undefined && previous.last + 1 === csr.address && alike(previous.csr, csr)) {
      result[result.length - 1] = { ...previous, last: csr.address };
    } else {
      result.push({ first: csr.address, last: csr.address, csr });
    }
  }
  return result;
}

/**
 * Emits a search for the CSR at `address` among `csrs`, which are in order of address. `leaf` emits what happens when
 * it is found; for a CSR that does not exist control falls through.
 */
export function emitDispatch(
  c: Code,
  address: Var<"i32">,
  csrs: readonly Csr[],
  leaf: (csr: Csr) => void,
): void {
  const all = ranges(csrs);
  const search = (from: number, to: number): void => {
    const middle = (from + to) >> 1;
    const { first, last, csr } = all[middle]!;
    if (to - from === 1) {
      c.if(c.i32.leU(c.i32.sub(address.get(), first), last - first), () => c.scope(() => leaf(csr)));
    } else {
      c.if(
        c.i32.ltU(address.get(), first),
        () => search(from, middle),
        () => search(middle, to),
      );
    }
  };
  if (all.length > 0) search(0, all.length);
}
