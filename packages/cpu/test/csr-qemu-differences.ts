/** Where QEMU 7.2 (`-cpu rv64,h=false`) and this processor differ, for every test that compares the two. */
export interface QemuDifference {
  /** Bits that are not compared. */
  readonly bits: bigint;
  /** Why, and who follows the specification. */
  readonly reason: string;
}

const ALL = 2n ** 64n - 1n;
const HIGH_HALF = 0xffff_ffff_0000_0000n;
/** VSSI, VSTI, VSEI and the counter-overflow interrupt. */
const FOREIGN_INTERRUPTS = 0x2444n;
const foreignInterrupts: QemuDifference = {
  bits: FOREIGN_INTERRUPTS,
  reason: "QEMU keeps bits of the hypervisor extension and of Sscofpmf, which are off; we read zero",
};
const oddPc: QemuDifference = { bits: 1n, reason: "bit 0 must be zero (section 3.1.14); QEMU keeps it" };
const wideCounters: QemuDifference = {
  bits: HIGH_HALF,
  reason: "a 32-bit register (section 3.1.11); QEMU keeps 64 bits",
};

/** By CSR name. */
export const QEMU_DIFFERENCES: Readonly<Record<string, QemuDifference>> = {
  mstatus: {
    bits: 0xc3_0000_0600n,
    reason:
      "QEMU lets software write VS, UXL, GVA and MPV although the V and H extensions are off; here VS, GVA and MPV " +
      "are zero and UXL is fixed at 64 bits",
  },
  sstatus: { bits: 0x3_0000_0600n, reason: "VS and UXL, as in mstatus" },
  medeleg: {
    bits: 0xf0_0c00n,
    reason: "bit 11 must be zero, 10 and 20 to 23 belong to H (section 3.1.8); QEMU keeps them",
  },
  mideleg: foreignInterrupts,
  mie: foreignInterrupts,
  mip: foreignInterrupts,
  sie: foreignInterrupts,
  sip: foreignInterrupts,
  mepc: oddPc,
  sepc: oddPc,
  mcounteren: wideCounters,
  scounteren: wideCounters,
  mcountinhibit: {
    bits: HIGH_HALF | 2n,
    reason: "a 32-bit register without a bit for time (section 3.1.12); QEMU keeps all",
  },
  menvcfg: {
    bits: 3n << 61n,
    reason: "QEMU 7.2 has Svpbmt and lacks Svadu's ADUE: A and D bits are always updated by hardware there",
  },
  marchid: { bits: ALL, reason: "QEMU says its version" },
  mimpid: { bits: ALL, reason: "QEMU says its version" },
};
for (let entry = 0; entry < 16; entry++) {
  (QEMU_DIFFERENCES as Record<string, QemuDifference>)[`pmpaddr${entry}`] = {
    bits: 0x3ffn << 54n,
    reason: "bits 63 to 54 must be zero (section 3.7.1); QEMU keeps them",
  };
}

/**
 * Changes a value to write, set or clear so that no field gets an encoding that QEMU stores and this processor
 * refuses: MPP 2, VS and a UXL of 32 bits (which QEMU obeys) in `mstatus`, CBIE 2 in `menvcfg` and `senvcfg`; a PMP
 * entry that is writable and not readable, and bits 6:5 of a PMP entry.
 */
export function withoutReserved(name: string, value: bigint): bigint {
  if (name.endsWith("status")) {
    const machine = ((value >> 11n) & 3n) === 2n ? value | (1n << 11n) : value;
    return (machine & ~0x3_0000_0600n) | (2n << 32n);
  }
  if (name.endsWith("envcfg")) return (value >> 4n) & 3n ? value | (3n << 4n) : value;
  if (!name.startsWith("pmpcfg")) return value;
  let result = 0n;
  for (let entry = 0n; entry < 8n; entry++) {
    let byte = (value >> (8n * entry)) & 0x9fn;
    if ((byte & 3n) === 2n) byte |= 1n;
    result |= byte << (8n * entry);
  }
  return result;
}

/*
 * Differences that no mask expresses:
 * - CSRRS and CSRRC with a source register other than x0 that holds zero write nothing in QEMU, so that on a
 *   read-only CSR they do not trap; by the Zicsr chapter they do.
 * - MRET and SRET to a mode below M leave `mstatus.MPRV` alone in QEMU 7.2; by sections 3.1.6.1 and 4.1.1 of version
 *   1.12 they clear it.
 * - EBREAK sets `xtval` to zero in QEMU, to the address of the EBREAK in Spike and Sail. Both are allowed
 *   (section 3.1.16).
 * - MRET to S- or U-mode while no PMP entry is in use is an illegal instruction in QEMU; by section 3.7.1 it is the
 *   fetch of the next instruction that faults.
 * - `minstret` (with -icount): an exception counts as a retired instruction in QEMU, by section 3.3.1 ECALL and EBREAK
 *   do not retire; the instruction after a write reads the value plus one in QEMU, by the Zicsr chapter the value.
 * - `stimecmp` written while `menvcfg.STCE` is clear changes STIP in QEMU; setting STCE does not change it there.
 * - Of several pending interrupts QEMU takes the one with the lowest number, by section 3.1.9 MEI, MSI, MTI, SEI, SSI,
 *   STI is the order. With the properties `x-smaia` and `x-ssaia` QEMU follows it too.
 */

/** CSRs that QEMU has and that this processor lacks, or the other way round, by address. */
export function existsOnOneSide(address: number): boolean {
  // Triggers: QEMU has two; tdata1 values can make it abort.
  if (address >= 0x7a0 && address <= 0x7af) return true;
  // QEMU has vstimecmp without the hypervisor extension.
  if (address === 0x24d) return true;
  // Performance counters 19 to 31: QEMU makes them illegal, here they read zero (section 3.1.10).
  const low = address & 0x1f;
  return (address >> 5 === 0xb00 >> 5 || address >> 5 === 0xc00 >> 5) && low >= 19;
}
