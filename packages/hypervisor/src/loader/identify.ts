/** What a file turned out to be. */
export type Identity =
  | { readonly format: "linux-riscv" | "elf" | "gzip" }
  | {
      /** Something that this machine cannot use as it is. */
      readonly format: "foreign";
      /** What it is, with an article: `an x86 Linux kernel (bzImage)`. */
      readonly name: string;
      readonly fault: "FORMAT" | "ARCHITECTURE" | "COMPRESSED";
      /** The way out, as a clause; empty when there is none to offer. */
      readonly advice: string;
    };

/** The names of `e_machine` values (ELF) that are likely to be met. */
const elfMachines: Readonly<Record<number, string>> = {
  2: "SPARC",
  3: "32-bit x86",
  8: "MIPS",
  20: "PowerPC",
  21: "64-bit PowerPC",
  22: "S/390",
  40: "32-bit ARM",
  43: "SPARC V9",
  50: "IA-64",
  62: "x86-64",
  94: "Xtensa",
  183: "ARM64",
  243: "RISC-V",
  247: "BPF",
  258: "LoongArch",
};

/** The names of COFF machine types (PE format). */
const peMachines: Readonly<Record<number, string>> = {
  332: "32-bit x86",
  448: "32-bit ARM",
  452: "32-bit ARM (Thumb-2)",
  512: "IA-64",
  20530: "32-bit RISC-V",
  20580: "64-bit RISC-V",
  25138: "32-bit LoongArch",
  25188: "64-bit LoongArch",
  34404: "x86-64",
  43620: "ARM64",
};

/** `e_machine` as a name. */
export function elfMachineName(machine: number): string {
  return elfMachines[machine] ?? `machine type ${machine}`;
}

const uncompress = "decompress it first";
const swapped = "give it as the initrd";
const asDisk = "attach it as a disk";

/** Formats known by bytes at a fixed offset: offset, bytes in hexadecimal, name, fault, advice. */
const signatures: readonly (readonly [number, string, string, "FORMAT" | "COMPRESSED", string])[] = [
  [0, "fd377a585a00", "an xz-compressed file", "COMPRESSED", uncompress],
  [0, "28b52ffd", "a Zstandard-compressed file", "COMPRESSED", uncompress],
  [0, "425a68", "a bzip2-compressed file", "COMPRESSED", uncompress],
  [0, "02214c18", "an LZ4-compressed file", "COMPRESSED", uncompress],
  [0, "04224d18", "an LZ4-compressed file", "COMPRESSED", uncompress],
  [0, "5d000080", "an LZMA-compressed file", "COMPRESSED", uncompress],
  [0, "894c5a4f", "an LZO-compressed file", "COMPRESSED", uncompress],
  [0, "27051956", "a U-Boot legacy image (uImage)", "FORMAT", "extract the Image that it wraps"],
  [
    0,
    "d00dfeed",
    "a flattened device tree or FIT image",
    "FORMAT",
    "the machine writes its device tree itself",
  ],
  [0, "303730373031", "a cpio archive", "FORMAT", swapped],
  [0, "303730373032", "a cpio archive", "FORMAT", swapped],
  [0, "303730373037", "a cpio archive", "FORMAT", swapped],
  [0, "514649fb", "a qcow2 disk image", "FORMAT", asDisk],
  [0, "68737173", "a squashfs file system", "FORMAT", asDisk],
  [0, "cffaedfe", "a Mach-O executable", "FORMAT", ""],
  [0, "0061736d", "a WebAssembly module", "FORMAT", ""],
  [0, "213c617263683e0a", "an ar archive (a Debian package?)", "FORMAT", "extract the kernel from it"],
  [0, "504b0304", "a zip archive", "FORMAT", "extract the kernel from it"],
  [257, "7573746172", "a tar archive", "FORMAT", "extract the kernel from it"],
  [1080, "53ef", "an ext2, ext3 or ext4 file system", "FORMAT", asDisk],
  [32769, "4344303031", "an ISO 9660 image", "FORMAT", asDisk],
];

/**
 * Says what an image is by its signature; undefined where nothing known matches. Never throws, whatever the bytes are.
 */
export function identify(bytes: Uint8Array): Identity | undefined {
  if (hasBytes(bytes, 0, "7f454c46")) return { format: "elf" };
  if (hasBytes(bytes, 56, "52534305") || hasBytes(bytes, 48, "5249534356000000"))
    return { format: "linux-riscv" };
  if (hasBytes(bytes, 0, "1f8b")) return { format: "gzip" };
  if (hasBytes(bytes, 56, "41524d64")) return otherKernel("an ARM64 Linux kernel (Image)");
  if (hasBytes(bytes, 0x202, "48647253")) return otherKernel("an x86 Linux kernel (bzImage)");
  if (hasBytes(bytes, 36, "18286f01")) return otherKernel("a 32-bit ARM Linux kernel (zImage)");
  if (hasBytes(bytes, 0, "4d5a")) return identifyPe(bytes);
  for (const [offset, magic, name, fault, advice] of signatures) {
    if (hasBytes(bytes, offset, magic)) return { format: "foreign", name, fault, advice };
  }
  return undefined;
}

function otherKernel(name: string): Identity {
  return { format: "foreign", name, fault: "ARCHITECTURE", advice: "take a kernel built for riscv64" };
}

/** MS-DOS stub "MZ": a PE file, which an EFI kernel of any architecture is too. */
function identifyPe(bytes: Uint8Array): Identity {
  if (hasBytes(bytes, 4, "7a696d67")) {
    return {
      format: "foreign",
      name: "a self-extracting EFI kernel (vmlinuz.efi, zboot)",
      fault: "COMPRESSED",
      advice: "take the plain Image that it was made from",
    };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = bytes.length >= 64 ? view.getUint32(60, true) : Number.POSITIVE_INFINITY;
  if (!hasBytes(bytes, at, "50450000") || at + 6 > bytes.length) {
    return { format: "foreign", name: "an MS-DOS executable, or cut short", fault: "FORMAT", advice: "" };
  }
  const machine = view.getUint16(at + 4, true);
  const name = peMachines[machine] ?? `machine type 0x${machine.toString(16)}`;
  return {
    format: "foreign",
    name: `a PE (EFI) executable for ${name}`,
    fault: machine === 20580 ? "FORMAT" : "ARCHITECTURE",
    advice: "take a riscv64 Linux Image or ELF file",
  };
}

/** Whether `bytes` holds these bytes (hexadecimal) at `offset`. */
function hasBytes(bytes: Uint8Array, offset: number, hex: string): boolean {
  const length = hex.length / 2;
  if (!(offset + length <= bytes.length)) return false;
  for (let i = 0; i < length; i++) {
    if (bytes[offset + i] !== Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)) return false;
  }
  return true;
}
