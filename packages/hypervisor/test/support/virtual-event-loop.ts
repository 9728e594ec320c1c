import type { EventLoop } from "../../src/dispatcher/event-loop.ts";

/** An event loop whose time passes only when the test, or a sleep, lets it. */
export class VirtualEventLoop implements EventLoop {
  time = 0;
  yields = 0;
  readonly sleeps: number[] = [];
  /** Called at each yield and each sleep, before it ends. */
  onturn: (() => void) | undefined;
  #wake: (() => void) | undefined;

  now(): number {
    return this.time;
  }

  async yield(): Promise<void> {
    this.yields++;
    await new Promise(setImmediate);
    this.onturn?.();
  }

  async sleep(milliseconds: number): Promise<void> {
    this.sleeps.push(milliseconds);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      setImmediate(() => {
        this.onturn?.();
        if (this.#wake === undefined || milliseconds === Number.POSITIVE_INFINITY) return;
        this.time += Math.max(milliseconds, 0);
        this.wake();
      });
    });
  }

  wake(): void {
    const resolve = this.#wake;
    this.#wake = undefined;
    resolve?.();
  }

  close(): void {}
}
