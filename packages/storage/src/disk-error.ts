/** A host failure: an Error with a stable `code`. */
export interface DiskError extends Error {
  readonly code: string;
}

/** Makes a {@link DiskError}. */
export function diskError(code: string, message: string, cause?: unknown): DiskError {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return Object.assign(error, { code });
}

/** The `code` of an error that a host's call threw, or `EIO` where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "EIO";
}
