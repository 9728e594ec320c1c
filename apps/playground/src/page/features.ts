/** What the machine needs of a browser and this one does not have, in words; undefined when all is there. */
export function missingFeature(): string | undefined {
  const host = globalThis as { readonly WebAssembly?: unknown; readonly Worker?: unknown };
  if (typeof host.WebAssembly !== "object") {
    return "This browser has no WebAssembly, or it is switched off: the machine cannot run.";
  }
  if (typeof host.Worker !== "function") return "This browser has no workers: the machine cannot run.";
  return undefined;
}
