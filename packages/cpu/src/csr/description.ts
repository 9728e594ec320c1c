/** Parts of the instruction set that bring CSRs or fields and that a processor may lack. */
export interface CsrIsa {
  /** Supervisor timer: `stimecmp` and `menvcfg.STCE`. */
  readonly sstc: boolean;
  /** Hardware updating of A and D bits under control of `menvcfg.ADUE`. */
  readonly svadu: boolean;
}

/** A named run of bits in a CSR. Bits that no field names read as zero and ignore writes. */
export interface CsrField {
  readonly name: string;
  /** Highest and lowest bit. */
  readonly high: number;
  readonly low: number;
  /** The value of a field that never changes; writes to it are ignored. */
  readonly fixed?: number;
  /** WARL: the values that can be written. Without it every value can. */
  readonly legal?: readonly number[];
  /** What must be there for the field to be there. */
  readonly needs?: keyof CsrIsa;
}

/** What a write has to set in motion once the value is stored. */
export type CsrEffect =
  /** TLB contexts follow MODE and the memory privilege fields of `mstatus`. */
  | "contexts"
  /** Pending and enabled interrupts are looked at. */
  | "interrupts"
  /** `mip.STIP` follows `time` and `stimecmp`. */
  | "timer"
  /** Address translation changed: gets the old `satp`. */
  | "translation";

/** How a CSR stores, reads and takes values. */
export type CsrRule =
  /** Reads one value, ignores writes. */
  | { readonly kind: "constant"; readonly value: bigint }
  /** A value of its own, kept in the hart's block. */
  | {
      readonly kind: "register";
      /** Offset in the hart's block. */
      readonly offset: number;
      readonly fields: readonly CsrField[];
      /** What a write with an illegal field does: the field keeps its value, or the whole write is ignored. */
      readonly illegal: "keep-field" | "ignore-write";
      readonly effects: readonly CsrEffect[];
      /** Bit that reads as "the FS field is dirty" (SD), computed when read. */
      readonly dirtyBit?: number;
    }
  /** A restricted view of another CSR. */
  | {
      readonly kind: "view";
      readonly of: string;
      readonly readable: bigint;
      readonly writable: bigint;
      /** Offset of a mask in the hart's block that both are limited to. */
      readonly limit?: number;
    }
  /** `mip`: interrupt lines and software bits together. */
  | { readonly kind: "interrupt-pending" }
  /** `fflags` and `frm` side by side, or one of them. */
  | { readonly kind: "float"; readonly part: "fflags" | "frm" | "fcsr" }
  /** Counts instructions. `bias`: offset of what software's writes added; `inhibit`: its bit in `mcountinhibit`. */
  | { readonly kind: "counter"; readonly bias: number; readonly inhibit: number }
  /** `mcountinhibit`. */
  | { readonly kind: "inhibit" }
  | { readonly kind: "time" }
  /** Eight PMP configuration bytes, of entry `first` on. */
  | { readonly kind: "pmp-configuration"; readonly first: number }
  | { readonly kind: "pmp-address"; readonly entry: number };

/** A condition on access beyond the privilege level in the address. */
export type CsrGuard =
  /** `mcounteren` and `scounteren` must allow the counter (sections 3.1.11 and 4.1.5). */
  | "counter-enable"
  /** `mstatus.FS` must not be off (section 3.1.6.6). */
  | "float-on"
  /** `mstatus.TVM` must not be set in S-mode (section 3.1.6.5). */
  | "translation-trap"
  /** `menvcfg.STCE` and `mcounteren.TM` must be set below M-mode (Sstc, chapter 2). */
  | "timer-enable";

/** The one description of a CSR, from which every tool derives. */
export interface Csr {
  readonly name: string;
  /** 12 bits; bits 9:8 hold the least privileged mode that has access, bits 11:10 are 3 where writes are illegal. */
  readonly address: number;
  readonly rule: CsrRule;
  readonly guard?: CsrGuard;
  readonly needs?: keyof CsrIsa;
}

/** The bits of a field in place. */
export function fieldMask({ high, low }: CsrField): bigint {
  return ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
}

/** All bits of the fields that software can change. */
export function writableMask(fields: readonly CsrField[]): bigint {
  return fields
    .filter(({ fixed }) => fixed === undefined)
    .reduce((mask, field) => mask | fieldMask(field), 0n);
}

/** The value of the fields that never change. */
export function fixedValue(fields: readonly CsrField[]): bigint {
  return fields.reduce((value, { fixed = 0, low }) => value | (BigInt(fixed) << BigInt(low)), 0n);
}

/** The fields that a processor with these extensions has. */
export function presentFields(fields: readonly CsrField[], isa: CsrIsa): CsrField[] {
  return fields.filter(({ needs }) => needs === undefined || isa[needs]);
}
