/** What a tar archive says of one member. */
export interface TarHeader {
  /** Path without leading `./` or `/` and without trailing slash; empty for the archive's own root. */
  readonly path: string;
  readonly kind: "file" | "directory" | "symlink" | "hardlink" | "character" | "block" | "fifo";
  /** Permission bits, set-user-ID and the like included (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly size: number;
  /** Target of a symbolic link as it stands; of a hard link, a path in the form of `path`. */
  readonly link: string;
  readonly major: number;
  readonly minor: number;
}

/** Takes each member in turn; `body` is a copy of its own, empty for all but files. */
export type OnTarMember = (header: TarHeader, body: Uint8Array) => void;

const BLOCK = 512;
const BODY_LIMIT = 512 * 1024 * 1024;
const NAME_LIMIT = 64 * 1024;
const KINDS: Readonly<Record<string, TarHeader["kind"]>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/**
 * Reads a tar archive (POSIX ustar with GNU long names and pax headers) as its bytes arrive.
 * @param wanted decides whether a member is kept; the bytes of others are passed over without a copy.
 * @throws Error where the archive is malformed, a member is above 512 MiB or the end is missing (in `end`).
 */
export function createTarReader(
  onMember: OnTarMember,
  wanted: (header: TarHeader) => boolean = () => true,
): { write(chunk: Uint8Array): void; end(): void } {
  const block = new Uint8Array(BLOCK);
  let blockFill = 0;
  let header: TarHeader | undefined;
  let special = "";
  let body: Uint8Array | undefined;
  let bodyFill = 0;
  let bodySize = 0;
  let padding = 0;
  let ended = false;
  let overrides: Partial<Record<"path" | "linkpath", string>> = {};

  const finishBody = (): void => {
    const bytes = body ?? new Uint8Array(0);
    if (special === "L") overrides.path = text(bytes, 0, bytes.length);
    else if (special === "K") overrides.linkpath = text(bytes, 0, bytes.length);
    else if (special === "x") overrides = { ...overrides, ...parsePax(bytes) };
    else if (header !== undefined && (body !== undefined || header.size === 0)) onMember(header, bytes);
    header = undefined;
    body = undefined;
  };

  const startMember = (): void => {
    if (block.every((byte) => byte === 0)) {
      ended = true;
      return;
    }
    checkSum(block);
    special = "";
    const flag = String.fromCharCode(block[156]!);
    const size = number(block, 124, 12);
    if (size > BODY_LIMIT) throw new Error(`tar: a member of ${size} bytes`);
    bodySize = size;
    bodyFill = 0;
    padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (flag === "L" || flag === "K" || flag === "x" || flag === "g") {
      if (size > NAME_LIMIT) throw new Error(`tar: an extended header of ${size} bytes`);
      special = flag;
      body = new Uint8Array(size);
    } else {
      const kind = KINDS[flag];
      if (kind === undefined) throw new Error(`tar: a member of type ${JSON.stringify(flag)}`);
      header = parseHeader(block, kind, size, overrides);
      overrides = {};
      if (wanted(header)) body = new Uint8Array(size);
      else header = undefined;
    }
    if (size === 0) finishBody();
  };

  return {
    write(chunk) {
      let at = 0;
      while (at < chunk.length && !ended) {
        if (bodyFill < bodySize) {
          const count = Math.min(bodySize - bodyFill, chunk.length - at);
          body?.set(chunk.subarray(at, at + count), bodyFill);
          bodyFill += count;
          at += count;
          if (bodyFill === bodySize) finishBody();
        } else if (padding > 0) {
          const count = Math.min(padding, chunk.length - at);
          padding -= count;
          at += count;
        } else {
          const count = Math.min(BLOCK - blockFill, chunk.length - at);
          block.set(chunk.subarray(at, at + count), blockFill);
          blockFill += count;
          at += count;
          if (blockFill === BLOCK) {
            blockFill = 0;
            startMember();
          }
        }
      }
    },
    end() {
      if (!ended) throw new Error("tar: the archive is truncated");
    },
  };
}

/** The form that {@link TarHeader.path} has. */
function normalizeTarPath(path: string): string {
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

function parseHeader(
  block: Uint8Array,
  kind: TarHeader["kind"],
  size: number,
  overrides: Partial<Record<"path" | "linkpath", string>>,
): TarHeader {
  const isUstar = text(block, 257, 5) === "ustar" && block[262] === 0;
  const prefix = isUstar ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const path = overrides.path ?? (prefix === "" ? name : `${prefix}/${name}`);
  const link = overrides.linkpath ?? text(block, 157, 100);
  return {
    path: normalizeTarPath(path),
    kind,
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    mtime: number(block, 136, 12),
    size: kind === "file" ? size : 0,
    link: kind === "hardlink" ? normalizeTarPath(link) : link,
    major: kind === "character" || kind === "block" ? number(block, 329, 8) : 0,
    minor: kind === "character" || kind === "block" ? number(block, 337, 8) : 0,
  };
}

function checkSum(block: Uint8Array): void {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : block[i]!;
  if (sum !== number(block, 148, 8)) throw new Error("tar: a header's checksum is wrong");
}

/** A text field: UTF-8, ended by NUL or the field's end. */
function text(bytes: Uint8Array, offset: number, length: number): string {
  const field = bytes.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** A numeric field: octal digits, or big-endian binary after a byte of 0x80 (GNU). */
function number(bytes: Uint8Array, offset: number, length: number): number {
  if (bytes[offset] === 0x80) {
    let value = 0;
    for (let i = 1; i < length; i++) value = value * 256 + bytes[offset + i]!;
    if (!Number.isSafeInteger(value)) throw new Error("tar: a number out of range");
    return value;
  }
  const digits = text(bytes, offset, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw new Error("tar: a malformed number");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** Records of a pax extended header: `LENGTH KEY=VALUE\n`, of which only the names matter here. */
function parsePax(bytes: Uint8Array): Partial<Record<"path" | "linkpath", string>> {
  const result: Partial<Record<"path" | "linkpath", string>> = {};
  let at = 0;
  while (at < bytes.length) {
    const length = Number.parseInt(text(bytes, at, 16), 10);
    if (!(length > 0) || at + length > bytes.length) throw new Error("tar: a malformed pax header");
    const record = new TextDecoder().decode(bytes.subarray(at, at + length - 1));
    const [, key, value = ""] = /^\d+ ([^=]+)=([\s\S]*)$/.exec(record) ?? [];
    if (key === "path" || key === "linkpath") result[key] = value;
    at += length;
  }
  return result;
}
