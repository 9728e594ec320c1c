/** What the dispatcher needs of the program that hosts it. The same in Node, in a browser and in a worker. */
export interface EventLoop {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Resolves after the event loop has been around: pending I/O, timers and messages have had their turn. */
  yield(): Promise<void>;
  /** Resolves after so many milliseconds, or at {@link wake}, whichever comes first. Infinity is allowed. */
  sleep(milliseconds: number): Promise<void>;
  /** Ends a {@link sleep} that is under way; does nothing when there is none. */
  wake(): void;
  /** Ends a sleep and gives back what the loop holds of its host. */
  close(): void;
}

/** The longest delay that timers take; a longer one would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

type Immediate = (callback: () => void) => unknown;

/** The event loop of the host: `setImmediate` where there is one, else a message to oneself. */
export function hostEventLoop(): EventLoop {
  const { setImmediate } = globalThis as { setImmediate?: Immediate };
  const channel = setImmediate === undefined ? new MessageChannel() : undefined;
  let yielded: (() => void) | undefined;
  let wakeUp: (() => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  if (channel !== undefined) channel.port1.onmessage = () => yielded?.();
  const onTurn = (resolve: () => void) => {
    if (setImmediate !== undefined) {
      setImmediate(resolve);
    } else {
      yielded = resolve;
      channel?.port2.postMessage(0);
    }
  };
  const wake = () => {
    const resolve = wakeUp;
    if (resolve === undefined) return;
    wakeUp = undefined;
    clearTimeout(timer);
    resolve();
  };
  const onSleep = (resolve: () => void, milliseconds: number) => {
    wakeUp = resolve;
    // A delay without end still holds a timer, so that the host stays alive while the guest waits for input.
    timer = setTimeout(wake, Math.min(Math.max(Math.ceil(milliseconds), 0), MAX_DELAY));
  };

  return {
    now: () => performance.now(),
    yield: () => new Promise(onTurn),
    sleep: (milliseconds) => new Promise((resolve) => onSleep(resolve, milliseconds)),
    wake,
    close() {
      wake();
      channel?.port1.close();
    },
  };
}
