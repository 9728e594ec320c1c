import { CRYPTO_TABLES } from "../memory-tables.ts";

// All tables follow from the definitions of the two ciphers: FIPS 197, sections 4 and 5, and GB/T 32907-2016, section 6.

/** Host addresses of the tables. Entries of words are indexed by a byte of state. */
export const CryptoTable: Readonly<
  Record<
    "AES_ENCRYPT" | "AES_DECRYPT" | "SM4_ROUND" | "SM4_KEY" | "AES_INVERSE" | "AES_ROUND_CONSTANTS",
    number
  >
> = {
  /** MixColumns of a column with the byte's substitute in row 0: 256 words. */
  AES_ENCRYPT: CRYPTO_TABLES,
  /** InvMixColumns of a column with the byte's inverse substitute in row 0: 256 words. */
  AES_DECRYPT: CRYPTO_TABLES + 0x400,
  /** What SM4ED makes of a byte in the lowest place: 256 words. */
  SM4_ROUND: CRYPTO_TABLES + 0x800,
  /** What SM4KS makes of a byte in the lowest place: 256 words. */
  SM4_KEY: CRYPTO_TABLES + 0xc00,
  /** Inverse substitutes: 256 bytes. */
  AES_INVERSE: CRYPTO_TABLES + 0x1000,
  /** Round constants of the key schedule, and 0 for "none": 11 bytes. */
  AES_ROUND_CONSTANTS: CRYPTO_TABLES + 0x1100,
};

/** Bytes from {@link CRYPTO_TABLES} to the end of the last table. */
const SIZE = 0x1110;

/** Product in the field of 256 elements with this modulus, of degree 8. */
function multiply(a: number, b: number, modulus: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product & 0x80) === 0 ? 0 : modulus) ^ ((b >> bit) & 1 ? a : 0);
  }
  return product & 0xff;
}

/** The inverse in that field, 0 for 0: the power of 254, which is 2 + 4 + ... + 128. */
function invert(value: number, modulus: number): number {
  let power = 1;
  let square = value;
  for (let exponent = 2; exponent <= 128; exponent *= 2) {
    square = multiply(square, square, modulus);
    power = multiply(power, square, modulus);
  }
  return power;
}

const rotateByte = (value: number, count: number): number =>
  ((value << count) | (value >> (8 - count))) & 0xff;

const AES_MODULUS = 0x11b;

function aesSubstitute(value: number): number {
  const inverse = invert(value, AES_MODULUS);
  return [1, 2, 3, 4].reduce((sum, count) => sum ^ rotateByte(inverse, count), inverse ^ 0x63);
}

const SM4_MODULUS = 0x1f5;
/** Row 0 of the circulant matrix of the affine map, and the constant that is added. */
const SM4_ROW = 0xa7;
const SM4_CONSTANT = 0xd3;

function sm4Affine(value: number): number {
  let result = 0;
  for (let bit = 0; bit < 8; bit++) {
    let parity = value & rotateByte(SM4_ROW, bit);
    for (const shift of [4, 2, 1]) parity ^= parity >> shift;
    result |= (parity & 1) << bit;
  }
  return result ^ SM4_CONSTANT;
}

/** The affine map, inversion, and the affine map again. */
function sm4Substitute(value: number): number {
  return sm4Affine(invert(sm4Affine(value), SM4_MODULUS));
}

/** A column of products with one byte, lowest row first. */
function column(value: number, factors: readonly number[]): number {
  return factors.reduce((word, factor, row) => word | (multiply(value, factor, AES_MODULUS) << (8 * row)), 0);
}

let made: Uint8Array | undefined;

/** The bytes of all tables, to put at {@link CRYPTO_TABLES}. */
export function cryptoTables(): Uint8Array {
  if (made !== undefined) return made;
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  const at = (table: number, offset: number): number => table - CRYPTO_TABLES + offset;
  for (let value = 0; value < 256; value++) {
    const substitute = aesSubstitute(value);
    view.setUint32(at(CryptoTable.AES_ENCRYPT, 4 * value), column(substitute, [2, 1, 1, 3]), true);
    view.setUint32(at(CryptoTable.AES_DECRYPT, 4 * substitute), column(value, [14, 9, 13, 11]), true);
    bytes[at(CryptoTable.AES_INVERSE, substitute)] = value;
    const s = sm4Substitute(value);
    // The linear maps L and L' of the standard, which has its words the other way round.
    const round = s ^ (s << 2) ^ (s << 8) ^ (s << 18) ^ ((s & 0x3f) << 26) ^ ((s & 0xc0) << 10);
    view.setUint32(at(CryptoTable.SM4_ROUND, 4 * value), round, true);
    const key = s ^ ((s & 0x07) << 29) ^ ((s & 0xfe) << 7) ^ ((s & 0x01) << 23) ^ ((s & 0xf8) << 13);
    view.setUint32(at(CryptoTable.SM4_KEY, 4 * value), key, true);
  }
  let constant = 1;
  for (let round = 0; round < 10; round++) {
    bytes[at(CryptoTable.AES_ROUND_CONSTANTS, round)] = constant;
    constant = multiply(constant, 2, AES_MODULUS);
  }
  made = bytes;
  return bytes;
}
