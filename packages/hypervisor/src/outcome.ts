/**
 * Why `vm.run` returned:
 * - `power-off`: the guest switched the machine off. `code` is 0, or what the guest gave as its failure code.
 * - `reset`: the guest asked for a reset, and `onReset` is `"return"`.
 * - `aborted`: the signal was aborted; `cause` is its reason.
 * - `stopped`: `vm.stop()` or `vm.close()` was called.
 * - `instruction-limit`: `maxInstructions` are used up.
 * - `crashed`: the guest cannot go on; `detail` says why, for humans.
 *
 * After `power-off`, `reset` and `crashed` the machine is off: the next `run` starts it afresh. After the others the next
 * `run` goes on where this one ended.
 */
export type VmOutcome =
  | { readonly reason: "power-off"; readonly code: number }
  | { readonly reason: "reset" }
  | { readonly reason: "aborted"; readonly cause: unknown }
  | { readonly reason: "stopped" }
  | { readonly reason: "instruction-limit" }
  | { readonly reason: "crashed"; readonly detail: string };
