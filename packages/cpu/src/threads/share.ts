import type { HartBlocks, MachineMemoryOptions } from "@isomorph/mmu";

/** What a thread needs to take part in a machine. It can be sent to threads as it is (structured clone). */
export interface ProcessorShare {
  readonly memory: WebAssembly.Memory;
  readonly layout: Omit<MachineMemoryOptions, "shared">;
  readonly blocks: HartBlocks;
  readonly expansionTable: number;
  /** Host addresses of the harts' code maps. */
  readonly codeMaps: readonly number[];
  readonly translationThreshold: number;
  /** What is known of code that is worth translating, and for each hart where to note what it translates. */
  readonly translations:
    | { readonly known: Uint8Array; readonly logs: readonly ArrayBufferLike[] }
    | undefined;
  readonly firmware: "vmm" | "guest";
}
