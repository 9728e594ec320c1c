import { type HostAddresses, NARROW_ADDRESSES } from "@isomorph/mmu";
import { State } from "../state.ts";

/** The fields of a hart's block that hold host addresses, as wide as these are. */
export interface HostFields {
  /** Bytes of each. */
  readonly SIZE: 4 | 8;
  readonly HOT_BLOCK: number;
  readonly BAILED_REGION: number;
}

const NARROW: HostFields = { SIZE: 4, HOT_BLOCK: State.HOT_BLOCK, BAILED_REGION: State.BAILED_REGION };
const WIDE: HostFields = {
  SIZE: 8,
  HOT_BLOCK: State.WIDE_HOT_BLOCK,
  BAILED_REGION: State.WIDE_BAILED_REGION,
};

export function hostFields(host: HostAddresses): HostFields {
  return host === NARROW_ADDRESSES ? NARROW : WIDE;
}
