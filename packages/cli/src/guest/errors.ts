/**
 * The stable codes of what can go wrong on the host while a guest is built.
 *
 * - `ERR_GUEST_TOOL_MISSING`: a program of the host that the build needs is not installed.
 * - `ERR_GUEST_TOOL_FAILED`: such a program ended with an error; the message carries the end of what it said.
 * - `ERR_GUEST_NO_MIRROR`: the host's apt sources name no Debian mirror.
 * - `ERR_GUEST_KEYRING`: no keyring at hand verifies the archive's signature.
 * - `ERR_GUEST_ARCHIVE`: a package or an index is not what the archive promised.
 * - `ERR_GUEST_IMAGE`: a finished artefact failed its check.
 * - `ERR_GUEST_LOCKED`: another build holds the cache and did not end in time.
 */
export type GuestErrorCode =
  | "ERR_GUEST_TOOL_MISSING"
  | "ERR_GUEST_TOOL_FAILED"
  | "ERR_GUEST_NO_MIRROR"
  | "ERR_GUEST_KEYRING"
  | "ERR_GUEST_ARCHIVE"
  | "ERR_GUEST_IMAGE"
  | "ERR_GUEST_LOCKED";

/** A failure of the host while a guest is built; `code` is stable, `cause` is what lay beneath, if anything. */
export interface GuestError extends Error {
  readonly code: GuestErrorCode;
}

/** Makes a {@link GuestError}. */
export function guestError(code: GuestErrorCode, message: string, cause?: unknown): GuestError {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return Object.assign(error, { code });
}

/** The `code` of whatever was thrown, if it has one. */
export function errorCode(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
