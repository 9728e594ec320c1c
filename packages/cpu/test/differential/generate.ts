import { Random } from "../random.ts";
import { type Environment, makeEnvironment } from "./environment.ts";
import { codeAddress } from "./image.ts";
import {
  compressedInstruction,
  csrAccess,
  nearValidInstruction,
  straightInstruction,
} from "./instructions.ts";
import { CODE_BYTES } from "./layout.ts";
import { fixed, placesOf, type Sequence } from "./sequence.ts";
import {
  branchForward,
  controlledCsrWrite,
  type Draft,
  encode,
  jumpIndirect,
  loop,
  modifyPrivilege,
  pageTableEdit,
  pmpChange,
  reservation,
  selfModification,
  trapReturn,
  waitForInterrupt,
} from "./templates.ts";

type Generator = (draft: Draft) => void;

const one =
  (make: (environment: Environment) => number): Generator =>
  (draft) => {
    draft.items.push(fixed(make(draft.environment)));
  };

/** What sequences are made of, by weight. */
const WEIGHTS: readonly (readonly [number, Generator])[] = [
  [60, one(straightInstruction)],
  [12, one(compressedInstruction)],
  [6, one(nearValidInstruction)],
  [7, one(csrAccess)],
  [7, controlledCsrWrite],
  [6, branchForward],
  [2, jumpIndirect],
  [2, loop],
  [3, reservation],
  [4, selfModification],
  [3, pageTableEdit],
  [2, pmpChange],
  [2, trapReturn],
  [2, modifyPrivilege],
  [1, waitForInterrupt],
];

const CHOICES: readonly Generator[] = WEIGHTS.flatMap(([weight, generator]) =>
  Array.from({ length: weight }, () => generator),
);

/** Bytes that the longest template may add. */
const LONGEST = 32;

/**
 * The sequence with this number of a run with this seed; `slot` is where in RAM its code lies. With `newer` it has
 * instructions that QEMU 7.2 lacks among the others.
 */
export function makeSequence(seed: number, number: number, slot: number, newer = false): Sequence {
  const random = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
  const environment = makeEnvironment(random, codeAddress(slot), newer);
  const reserve = environment.roles.flatMap((role, register) => (role === "reserved" ? [register] : []));
  const draft: Draft = {
    environment,
    items: [],
    reserve,
    modifiesItself: (slot >> 4) % 8 === 7,
    left: false,
  };
  if (random.oneIn(2)) modifyPrivilege(draft);
  const wanted = 8 + random.below(20);
  while (
    draft.items.length < wanted &&
    (placesOf(draft.items).offsets.at(-1) as number) < CODE_BYTES - 4 - LONGEST
  ) {
    random.pick(CHOICES)(draft);
  }
  if (environment.mode === 3 && random.oneIn(30)) draft.items.push(fixed(encode("ecall")));
  const { mode, mstatus, csrs, f, windows, codeVirtual, codePhysical, scheme, x } = environment;
  return {
    mode,
    mstatus,
    csrs,
    x,
    f,
    windows,
    items: draft.items,
    codeVirtual,
    codePhysical,
    translated: scheme !== undefined && mode !== 3,
  };
}
