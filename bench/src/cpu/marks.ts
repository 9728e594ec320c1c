/**
 * What the guest says about a row: that it waits for a line of input with the row's name, that it has got it, where the
 * measured part begins and ends, what came out, and how it ended.
 */
export interface Mark {
  readonly kind: "ready" | "go" | "begin" | "end" | "result" | "done";
  readonly row: string;
  /** The result, or the exit status; empty for the others. */
  readonly detail: string;
}

/** A console line is at most so long, in characters; what is beyond is dropped. */
const LINE_LIMIT = 4096;

/** Finds the marks in what a console says, piece by piece. */
export class MarkReader {
  #line = "";

  /** The marks of the lines that end in this piece. */
  push(text: string): Mark[] {
    const marks: Mark[] = [];
    const lines = (this.#line + text).split("\n");
    this.#line = (lines.pop() ?? "").slice(0, LINE_LIMIT);
    for (const line of lines) {
      const [, kind, row, detail = ""] =
        /@@ (ready|go|begin|end|result|done) ([a-z0-9-]+)(?: (.*))?$/.exec(line.replace(/\r+$/, "")) ?? [];
      if (kind !== undefined && row !== undefined) marks.push({ kind: kind as Mark["kind"], row, detail });
    }
    return marks;
  }
}
