import { CommandError } from "../command/failure.ts";

/** Where images came from, by what the machine calls them. */
export interface ImagePaths {
  readonly kernel?: string | undefined;
  readonly initrd?: string | undefined;
  readonly firmware?: string | undefined;
}

/** Adds the file's name to an error about an image. */
export async function imageErrors<T>(work: Promise<T>, paths: ImagePaths): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const [, kind] = /^ERR_(KERNEL|INITRD|FIRMWARE)_/.exec(code ?? "") ?? [];
    const path = kind === undefined ? undefined : paths[kind.toLowerCase() as keyof ImagePaths];
    if (path === undefined) throw error;
    throw new CommandError(`${path}: ${message}`, { cause: error });
  }
}
