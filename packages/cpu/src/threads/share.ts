import type { HartBlocks, MachineMemories, MachineMemoryOptions } from "@isomorph/mmu";

/** What is known of code that is worth translating, and where to note what is translated. */
export interface SharedTranslations {
  /** As the option `translations` takes it. */
  readonly known: Uint8Array;
  /** Whether that is put to the test. */
  readonly isReview: boolean;
  /** One for each hart. */
  readonly logs: readonly ArrayBufferLike[];
}

/** What a thread needs to take part in a machine. It can be sent to threads as it is (structured clone). */
export interface ProcessorShare {
  readonly memories: MachineMemories;
  readonly layout: Omit<MachineMemoryOptions, "shared">;
  readonly blocks: HartBlocks;
  readonly expansionTable: number;
  /** Places of the harts' code maps in memory 0. */
  readonly codeMaps: readonly number[];
  readonly translationThreshold: number;
  readonly translations: SharedTranslations | undefined;
  readonly firmware: "vmm" | "guest";
}
