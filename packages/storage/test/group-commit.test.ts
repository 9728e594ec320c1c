import { describe, expect, test } from "vitest";
import { GroupCommit } from "../src/node/group-commit.ts";

/** A sync that ends when told to. */
function manual() {
  const pending: ((error: Error | null) => void)[] = [];
  const commit = new GroupCommit((done) => {
    pending.push(done);
  });
  return { commit, pending, end: (error: Error | null = null) => pending.shift()?.(error) };
}

async function isDone(flush: unknown): Promise<boolean> {
  const waiting = Symbol();
  // A few turns, so that chained promises have settled.
  for (let i = 0; i < 5; i++) await null;
  return (await Promise.race([flush, Promise.resolve(waiting)])) !== waiting;
}

describe("GroupCommit", () => {
  test("syncs at the first flush: an earlier owner's writes may not be durable", async () => {
    const { commit, end } = manual();
    const flush = commit.flush();
    expect(flush).toBeInstanceOf(Promise);
    end();
    await flush;
    expect(commit.flush()).toBeUndefined();
    expect(commit.syncs).toBe(1);
  });

  test("a flush after a write does not join the sync submitted before it", async () => {
    const { commit, pending, end } = manual();
    commit.wrote();
    const first = commit.flush();
    commit.wrote();
    const second = commit.flush();
    end();
    expect(await isDone(first)).toBe(true);
    expect(await isDone(second)).toBe(false);
    expect(pending).toHaveLength(1);
    end();
    await second;
    expect(commit.syncs).toBe(2);
  });

  test("flushes of the same writes share one sync, those that wait share the next", async () => {
    const { commit, end } = manual();
    commit.wrote();
    const flushes = [commit.flush(), commit.flush()];
    for (let i = 0; i < 30; i++) {
      commit.wrote();
      flushes.push(commit.flush());
    }
    end();
    for (let i = 0; i < 5; i++) await null;
    end();
    await Promise.all(flushes);
    expect(commit.syncs).toBe(2);
  });

  test("a failure is final, for flushes that wait and for later ones", async () => {
    const { commit, end } = manual();
    const failure = new Error("lost");
    commit.wrote();
    const first = Promise.resolve(commit.flush());
    commit.wrote();
    const second = Promise.resolve(commit.flush());
    const failed = Promise.allSettled([first, second]);
    end(failure);
    expect(await failed).toEqual([
      { status: "rejected", reason: failure },
      { status: "rejected", reason: failure },
    ]);
    expect(() => commit.flush()).toThrow(failure);
    commit.wrote();
    expect(() => commit.flush()).toThrow(failure);
    expect(commit.syncs).toBe(1);
  });
});
