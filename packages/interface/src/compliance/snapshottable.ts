import type { MaybePromise } from "../maybe-promise.ts";
import type { SnapshotState, Snapshottable } from "../snapshot.ts";
import { failsWithCode, ok, same, sameTree } from "./assert.ts";
import { type ComplianceCase, ComplianceError } from "./case.ts";

/** A part under test, and a way to bring it into another state. */
export interface SnapshottableSubject {
  readonly part: Snapshottable;
  /** Changes the part's state, so that its next `save` differs; each call changes it again. */
  disturb(): MaybePromise<void>;
}

/**
 * Checks of the {@link Snapshottable} contract. `create` makes a part in its initial state; all parts it makes are
 * alike.
 */
export function snapshottableCases(create: () => MaybePromise<SnapshottableSubject>): ComplianceCase[] {
  const cases: ComplianceCase[] = [];
  const add = (name: string, check: (subject: SnapshottableSubject) => Promise<void>): void => {
    cases.push({ name, run: async () => check(await create()) });
  };

  add("a state is plain data with a version", async ({ part, disturb }) => {
    await disturb();
    const state = part.save();
    ok(Number.isInteger(state.version) && state.version >= 0, `version is ${state.version}`);
    checkPlain(state, "state");
  });

  add("saving changes nothing", async ({ part, disturb }) => {
    await disturb();
    equal(part.save(), part.save(), "a second state");
  });

  add("a state is detached from the part", async ({ part, disturb }) => {
    await disturb();
    const state = part.save();
    const copy = structuredClone(state);
    await disturb();
    ok(!sameTree(part.save(), copy), "disturb() changes nothing that save() shows");
    equal(state, copy, "a state saved before a change");
  });

  add("restore takes the part back", async ({ part, disturb }) => {
    await disturb();
    const state = part.save();
    await disturb();
    part.restore(state);
    equal(part.save(), state, "the state after restore");
  });

  add("restore keeps its argument and stays detached from it", async ({ part, disturb }) => {
    await disturb();
    const state = part.save();
    const copy = structuredClone(state);
    part.restore(state);
    await disturb();
    equal(state, copy, "a state that was restored");
  });

  add("a copied state moves to another part", async ({ part, disturb }) => {
    await disturb();
    const state = structuredClone(part.save());
    const other = await create();
    other.part.restore(state);
    equal(other.part.save(), state, "the other part's state");
    await other.disturb();
    other.part.restore(state);
    equal(other.part.save(), state, "the other part's state after a change");
  });

  add("an unknown version is refused and changes nothing", async ({ part, disturb }) => {
    await disturb();
    const state = part.save();
    for (const version of [state.version + 1_000_000, -1, 0.5, Number.NaN]) {
      const call = (): void => part.restore({ ...state, version });
      await failsWithCode(call, "ERR_SNAPSHOT_VERSION", `restore of version ${version}`);
      equal(part.save(), state, "the state after a refused restore");
    }
  });

  return cases;
}

function equal(actual: SnapshotState, expected: SnapshotState, what: string): void {
  if (!sameTree(actual, expected)) throw new ComplianceError(`${what} differs`);
}

function checkPlain(value: unknown, path: string): void {
  if (value === null || ["boolean", "number", "bigint", "string"].includes(typeof value)) return;
  ok(typeof value === "object", `${path} is a ${typeof value}`);
  if (value instanceof Uint8Array) return;
  if (Array.isArray(value)) {
    value.forEach((item, index) => {
      checkPlain(item, `${path}[${index}]`);
    });
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null) same(prototype, Object.prototype, `prototype of ${path}`);
  for (const [name, item] of Object.entries(value)) checkPlain(item, `${path}.${name}`);
}
