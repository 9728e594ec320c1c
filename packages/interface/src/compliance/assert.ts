import { ComplianceError } from "./case.ts";

/** Fails unless `condition` holds. */
export function ok(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ComplianceError(message);
}

/** Fails unless both are the same value (`Object.is`). */
export function same(actual: unknown, expected: unknown, what: string): void {
  if (!Object.is(actual, expected)) {
    throw new ComplianceError(`${what} is ${String(actual)}, not ${String(expected)}`);
  }
}

/** Fails unless both hold the same bytes. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  same(actual.length, expected.length, `length of ${what}`);
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] !== expected[i]) {
      throw new ComplianceError(`${what}: byte ${i} is ${actual[i]}, not ${expected[i]}`);
    }
  }
}

/** Fails unless every byte is `value`. */
export function filledWith(bytes: Uint8Array, value: number, what: string): void {
  const wrong = bytes.findIndex((byte) => byte !== value);
  if (wrong >= 0) throw new ComplianceError(`${what}: byte ${wrong} is ${bytes[wrong]}, not ${value}`);
}

/** Runs `call`; gives what it threw or rejected with, and fails when it did neither. */
async function failureOf(call: () => unknown, what: string): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new ComplianceError(`${what} succeeded`);
}

/** Fails unless `call` throws or rejects with a RangeError. Errors are told by name: realms may differ. */
export async function failsWithRangeError(call: () => unknown, what: string): Promise<void> {
  const error = await failureOf(call, what);
  if ((error as { name?: unknown } | null)?.name !== "RangeError") {
    throw new ComplianceError(`${what} failed with ${String(error)}, not a RangeError`, error);
  }
}

/** Fails unless `call` throws or rejects with an Error that has this `code`. */
export async function failsWithCode(call: () => unknown, code: string, what: string): Promise<void> {
  const error = await failureOf(call, what);
  const actual = (error as { code?: unknown } | null)?.code;
  if (actual !== code) {
    throw new ComplianceError(
      `${what} failed with code ${String(actual)}, not ${code}: ${String(error)}`,
      error,
    );
  }
}

/** Whether two plain trees hold the same names and values. */
export function sameTree(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (
    ArrayBuffer.isView(left) !== ArrayBuffer.isView(right) ||
    Array.isArray(left) !== Array.isArray(right)
  ) {
    return false;
  }
  const leftKeys = Object.keys(left);
  if (leftKeys.length !== Object.keys(right).length) return false;
  return leftKeys.every(
    (key) =>
      Object.hasOwn(right, key) &&
      sameTree((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]),
  );
}
