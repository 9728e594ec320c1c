import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** A folder of the XDG Base Directory Specification; relative values are invalid there and ignored. */
function baseFolder(variable: string, ...fallback: string[]): string {
  const value = process.env[variable] ?? "";
  return isAbsolute(value) ? value : join(homedir(), ...fallback);
}

/** Where guests are built and kept: nothing in it is a loss. */
export function cacheFolder(): string {
  return join(baseFolder("XDG_CACHE_HOME", ".cache"), "isomorph");
}

/** What code of guests was worth translating so far. */
export function translationsCache(): string {
  return join(cacheFolder(), "translations");
}

/** Where the persistent guest of `isomorph start` lives. */
export function dataFolder(): string {
  return join(baseFolder("XDG_DATA_HOME", ".local", "share"), "isomorph", "debian");
}
