import { VmError } from "../errors.ts";

/** An error about a file of symbols or of a program. `text` goes on after the file's name. */
export function symbolsError(text: string): VmError {
  return new VmError("ERR_SYMBOLS_FORMAT", text);
}
