import type { SnapshotState, SnapshotValue } from "@isomorph/interface";

type Fields = { readonly [name: string]: SnapshotValue };

/** Throws an Error with code `ERR_SNAPSHOT_VERSION` unless `state` has the version that `part` writes. */
export function checkVersion(state: SnapshotState, version: number, part: string): void {
  if (state.version === version) return;
  throw Object.assign(new Error(`${part}: snapshot version ${state.version} is not ${version}`), {
    code: "ERR_SNAPSHOT_VERSION",
  });
}

function invalid(name: string, expected: string): TypeError {
  return new TypeError(`snapshot field ${name} is not ${expected}`);
}

/** An integer field from `minimum` to `maximum`. */
export function integerField(
  state: Fields,
  name: string,
  maximum: number = Number.MAX_SAFE_INTEGER,
  minimum = 0,
): number {
  const value = state[name];
  if (typeof value !== "number" || !Number.isInteger(value) || value < minimum || value > maximum) {
    throw invalid(name, `an integer from ${minimum} to ${maximum}`);
  }
  return value;
}

export function booleanField(state: Fields, name: string): boolean {
  const value = state[name];
  if (typeof value !== "boolean") throw invalid(name, "a boolean");
  return value;
}

export function bigintField(state: Fields, name: string): bigint {
  const value = state[name];
  if (typeof value !== "bigint") throw invalid(name, "a bigint");
  return value;
}

/** A byte field; `length` or fewer bytes when given as a limit, exactly that many when `exact`. */
export function bytesField(state: Fields, name: string, limit: number, exact = false): Uint8Array {
  const value = state[name];
  if (!(value instanceof Uint8Array) || value.length > limit || (exact && value.length !== limit)) {
    throw invalid(name, `${exact ? "" : "up to "}${limit} bytes`);
  }
  return value;
}

/** An array of integers from 0 to `maximum`, at most `limit` of them. */
export function integersField(
  state: Fields,
  name: string,
  limit: number,
  maximum: number = 0xffffffff,
): readonly number[] {
  const value = state[name];
  if (!Array.isArray(value) || value.length > limit) throw invalid(name, `a list of up to ${limit} integers`);
  for (const item of value) {
    if (typeof item !== "number" || !Number.isInteger(item) || item < 0 || item > maximum) {
      throw invalid(name, `a list of integers from 0 to ${maximum}`);
    }
  }
  return value as readonly number[];
}

/** A list of named trees. */
export function listField(state: Fields, name: string, limit: number): readonly Fields[] {
  const value = state[name];
  if (!Array.isArray(value) || value.length > limit) throw invalid(name, `a list of up to ${limit} entries`);
  for (const item of value) {
    if (typeof item !== "object" || item === null || Array.isArray(item) || item instanceof Uint8Array) {
      throw invalid(name, "a list of named trees");
    }
  }
  return value as readonly Fields[];
}

/** A nested state with a version of its own. */
export function stateField(state: Fields, name: string): SnapshotState {
  const value = state[name];
  if (typeof value !== "object" || value === null || typeof (value as Fields).version !== "number") {
    throw invalid(name, "a versioned state");
  }
  return value as SnapshotState;
}
