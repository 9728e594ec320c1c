import type { VmConfig } from "@isomorph/hypervisor";
import type { BlockBackend } from "@isomorph/interface";
import { httpDisk } from "@isomorph/storage/http";
import { overlay } from "@isomorph/storage/overlay";
import type { GuestImages } from "../protocol.ts";
import { openDemo } from "./demo.ts";
import { download } from "./download.ts";

/** A guest that is ready for the machine. */
export interface Guest {
  /** The part of the machine's configuration that comes from the guest. */
  readonly boot: Pick<VmConfig, "kernel" | "initrd" | "cmdline" | "transport">;
  /** The machine's disk; closed with the machine. */
  readonly disk?: BlockBackend;
}

/** What {@link openGuest} is told. */
export interface GuestOptions {
  /** Bytes of guest memory: no image may be larger. */
  readonly memory: number;
  readonly signal: AbortSignal;
  readonly onProgress: (image: string, loaded: number, total: number) => void;
}

/** Gets together what the machine boots. Rejects with an Error that says what is missing. */
export async function openGuest(images: GuestImages, options: GuestOptions): Promise<Guest> {
  if (images.kind === "demo") return openDemo();
  const { memory, signal, onProgress } = options;
  const fetchImage = (name: string, url: string): Promise<Uint8Array> =>
    download(url, {
      name,
      limit: memory,
      signal,
      onProgress: (loaded, total) => onProgress(name, loaded, total),
    });
  const [kernel, initrd, disk] = await Promise.all([
    fetchImage("kernel", images.kernel),
    fetchImage("initial RAM disk", images.initrd),
    images.disk === undefined ? undefined : httpDisk(images.disk, { signal }),
  ]);
  // Linux passes what it does not know on to its first process, as environment.
  const cmdline = `${images.cmdline} TERM=xterm-256color`;
  return { boot: { kernel, initrd, cmdline }, ...(disk === undefined ? {} : { disk: overlay(disk) }) };
}
