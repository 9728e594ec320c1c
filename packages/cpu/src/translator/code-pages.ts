import { type MachineMemory, PAGE_SIZE, PageFlag, pageNumber } from "@isomorph/mmu";
import type { CoreExports } from "../core/core-module.ts";

/** How a translator makes sure that it hears of stores to what it has translated. Pages go by host address / 4096. */
export interface CodePages {
  /** The page's code is about to be read for a translation. */
  read(page: number): void;
  /** There is a translation of the page's code. */
  protect(page: number): void;
  /** There is none any more. */
  release(page: number): void;
  /** Whether the page is written so often that it is not worth translating. */
  isData(page: number): boolean;
}

/** Where stores are not noticed: a flag of the page, which only the embedder's writes look at. */
export function flatCodePages({ ramOffset, pageFlags }: MachineMemory): CodePages {
  const first = pageNumber(ramOffset);
  return {
    read() {},
    protect(page) {
      pageFlags[page - first] |= PageFlag.CODE;
    },
    release(page) {
      pageFlags[page - first] &= ~PageFlag.CODE;
    },
    isData: () => false,
  };
}

/** For harts on one thread: a flag of the page, which nobody changes between reading and protecting it. */
export function localCodePages(memory: MachineMemory, core: CoreExports): CodePages {
  const first = pageNumber(memory.ramOffset);
  return {
    read() {},
    protect: (page) => core.protectCode(memory.host.fromNumber((page - first) * PAGE_SIZE)),
    release(page) {
      memory.pageFlags[page - first] &= ~PageFlag.CODE;
    },
    isData: () => false,
  };
}
