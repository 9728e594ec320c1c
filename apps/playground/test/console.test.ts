import { expect, test } from "vitest";
import { ConsoleInput } from "../src/machine/console-input.ts";
import { ConsoleOutput } from "../src/machine/console-output.ts";

const KIBIBYTE = 1024;

function recordedOutput(): {
  readonly output: ConsoleOutput;
  readonly posts: Uint8Array[];
  readonly events: string[];
} {
  const posts: Uint8Array[] = [];
  const events: string[] = [];
  const output = new ConsoleOutput({
    post: (bytes) => void posts.push(bytes),
    pause: () => void events.push("pause"),
    resume: () => void events.push("resume"),
  });
  return { output, posts, events };
}

test("the first output goes at once, what follows closely goes together and in order", async () => {
  const { output, posts } = recordedOutput();
  for (const byte of [1, 2, 3, 4]) output.push(Uint8Array.of(byte));
  expect(posts).toEqual([Uint8Array.of(1)]);
  await expect.poll(() => posts).toEqual([Uint8Array.of(1), Uint8Array.of(2, 3, 4)]);
});

test("the machine waits while the terminal is far behind, and loses nothing", () => {
  const { output, posts, events } = recordedOutput();
  const chunk = new Uint8Array(64 * KIBIBYTE);
  for (let i = 0; i < 8; i++) output.push(chunk);
  expect(events).toEqual([]);
  output.push(chunk);
  output.push(chunk);
  expect(events).toEqual(["pause"]);
  const sent = posts.reduce((sum, { length }) => sum + length, 0);
  expect(sent).toBe(640 * KIBIBYTE);
  output.shown(500 * KIBIBYTE);
  expect(events).toEqual(["pause"]);
  output.shown(100 * KIBIBYTE);
  expect(events).toEqual(["pause", "resume"]);
  output.shown(40 * KIBIBYTE);
  expect(events).toEqual(["pause", "resume"]);
});

test("input waits for a guest that reads slowly, keeps its order, and has a limit", () => {
  const received: number[] = [];
  let room = 0;
  const port = {
    ondrain: undefined as (() => void) | undefined,
    write(bytes: Uint8Array): number {
      const taken = Math.min(room, bytes.length);
      room -= taken;
      received.push(...bytes.subarray(0, taken));
      return taken;
    },
  };
  const input = new ConsoleInput(port);
  input.write(Uint8Array.of(1, 2, 3));
  input.write(Uint8Array.of(4, 5));
  input.write(new Uint8Array(1 << 20));
  expect(received).toEqual([]);
  room = 2;
  port.ondrain?.();
  expect(received).toEqual([1, 2]);
  room = 100;
  port.ondrain?.();
  expect(received).toEqual([1, 2, 3, 4, 5]);
  input.write(Uint8Array.of(6));
  expect(received).toEqual([1, 2, 3, 4, 5, 6]);
});
