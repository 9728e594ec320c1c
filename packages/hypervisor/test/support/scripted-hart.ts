import type { VmExit } from "@isomorph/interface";
import type { DispatchedHart } from "../../src/dispatcher/dispatcher.ts";

/** What a scripted hart does in one slice. */
export interface Step {
  readonly exit: VmExit;
  /** Instructions that it retires; all of its budget by default. */
  readonly retires?: number;
  /** What happens meanwhile. */
  readonly during?: () => void;
}

/**
 * A hart that follows a script instead of a program: it keeps to the contract of `Vcpu` and records what the dispatcher
 * did with it. `script` is called for each slice.
 */
export class ScriptedHart implements DispatchedHart {
  readonly budgets: number[] = [];
  timerDeadline: number = Number.POSITIVE_INFINITY;
  interruptPending = false;
  instructionsRetired = 0;
  exitRequests = 0;
  readonly #script: (slice: number, budget: number) => Step;

  constructor(script: (slice: number, budget: number) => Step) {
    this.#script = script;
  }

  run(budget: number): VmExit {
    const step = this.#script(this.budgets.length, budget);
    this.budgets.push(budget);
    step.during?.();
    this.instructionsRetired += step.retires ?? budget;
    return step.exit;
  }

  requestExit(): void {
    this.exitRequests++;
  }
}
