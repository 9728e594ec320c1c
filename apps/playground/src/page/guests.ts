import type { GuestImages } from "../protocol.ts";

/** A guest that the page offers. */
export interface GuestChoice {
  readonly id: string;
  readonly label: string;
  /** One line about it. */
  readonly description: string;
  /** Bytes of memory for it. */
  readonly memory: number;
  /** What to boot; undefined while this server does not offer it. */
  readonly images: GuestImages | undefined;
}

/** The part of a guest's manifest that the page needs: see the command line's `isomorph guest build debian`. */
interface Manifest {
  readonly kernelRelease: string;
  readonly artefacts: Readonly<Record<"kernel" | "initrd" | "root", { readonly file: string }>>;
}

const DEBIAN = "guests/debian/";
const CONSOLES = "console=ttyS0 console=hvc0";

/** The guests, after a look at what this server has. */
export async function findGuests(base: string = document.baseURI): Promise<readonly GuestChoice[]> {
  const folder = new URL(DEBIAN, base);
  const manifest = await readManifest(folder);
  const images = (disk: boolean, cmdline: string): GuestImages | undefined => {
    if (manifest === undefined) return undefined;
    const at = (name: "kernel" | "initrd" | "root"): string =>
      new URL(encodeURIComponent(manifest.artefacts[name].file), folder).href;
    const linux = { kind: "linux", kernel: at("kernel"), initrd: at("initrd"), cmdline } as const;
    return disk ? { ...linux, disk: at("root") } : linux;
  };
  const release = manifest === undefined ? "" : `, Linux ${manifest.kernelRelease}`;
  return [
    {
      id: "demo",
      label: "Demo",
      description: "A tiny guest of our own. Nothing to download.",
      memory: 64 << 20,
      images: { kind: "demo" },
    },
    {
      id: "debian-rescue",
      label: "Debian 13: rescue shell",
      description: `Kernel and initial RAM disk${release}: a shell in memory.`,
      memory: 512 << 20,
      images: images(false, `${CONSOLES} rescue`),
    },
    {
      id: "debian",
      label: "Debian 13",
      description: `The whole system${release}. Log in as root; changes end with the machine.`,
      memory: 1 << 30,
      images: images(true, `${CONSOLES} root=/dev/vda rw`),
    },
  ];
}

async function readManifest(folder: URL): Promise<Manifest | undefined> {
  try {
    const response = await fetch(new URL("manifest.json", folder));
    if (!response.ok) return undefined;
    const manifest = (await response.json()) as Partial<Manifest> | null;
    const { kernel, initrd, root } = manifest?.artefacts ?? {};
    const isWhole = [kernel, initrd, root].every((artefact) => typeof artefact?.file === "string");
    return isWhole ? (manifest as Manifest) : undefined;
  } catch {
    return undefined;
  }
}
