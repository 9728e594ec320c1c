/**
 * Guest memory, RISC-V page tables and TLBs.
 *
 * @packageDocumentation
 */
export { defineFlatMemory, type FlatLayout } from "./flat-memory.ts";
export {
  encodePte,
  encodeSatp,
  isCanonical,
  type PageTableFormat,
  Pte,
  pageSizeAt,
  pteAddress,
  Satp,
  SV39,
  SV48,
  SV57,
  vpnIndex,
} from "./formats.ts";
export {
  type FetchTlbLayout,
  type HostAddress,
  type HostAddresses,
  NARROW_ADDRESSES,
  pageNumber,
  WIDE_ADDRESSES,
} from "./host-addresses.ts";
export {
  type CodeHolders,
  type HartBlocks,
  type MachineMemories,
  MachineMemory,
  type MachineMemoryOptions,
  PAGE_SIZE,
} from "./machine-memory.ts";
export { defineMmu, type MmuFunctions } from "./mmu.ts";
export type { MmuImports, MmuOptions, MmuThreads } from "./options.ts";
export { PageTableBuilder, type PageTableBuilderOptions } from "./page-table-builder.ts";
export {
  Access,
  MMU_STATE_END,
  MMU_STATE_START,
  MmuCounter,
  MmuState,
  PageFlag,
  TLB_ENTRIES,
  Tlb,
} from "./state.ts";
export { PROBE } from "./walker.ts";
