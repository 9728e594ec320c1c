import type { Failure } from "../protocol.ts";

/** An error as the page shows it. */
export function failureOf(error: unknown): Failure {
  const { name, message, code } = error as { name?: unknown; message?: unknown; code?: unknown };
  const text = typeof message === "string" && message !== "" ? message : String(error);
  return {
    message: `${explanationOf(name, text)}${text}`,
    ...(typeof code === "string" ? { code } : {}),
  };
}

function explanationOf(name: unknown, text: string): string {
  if (name === "CompileError" || name === "LinkError") {
    return "This browser's WebAssembly lacks something that the machine needs. ";
  }
  if (name === "RangeError" && /WebAssembly|allocat|memory/i.test(text)) {
    return "The browser does not give the machine its memory. ";
  }
  return "";
}
