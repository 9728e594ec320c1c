import { CSRS } from "./table.ts";

const ADDRESSES: ReadonlyMap<string, number> = new Map(CSRS.map(({ name, address }) => [name, address]));
const NAMES: ReadonlyMap<number, string> = new Map(CSRS.map(({ name, address }) => [address, name]));

/** The address of the CSR with this name, such as `mstatus`; undefined when there is none. */
export function csrByName(name: string): number | undefined {
  return ADDRESSES.get(name);
}

/** The name of the CSR at this address; undefined when there is none. */
export function csrName(address: number): string | undefined {
  return NAMES.get(address);
}
