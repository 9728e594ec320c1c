import { cryptoTables } from "./isa/crypto-tables.ts";
import { floatConstants } from "./isa/float-constants.ts";
import { expansionTable } from "./isa/index.ts";
import { CRYPTO_TABLES, EXPANSION_TABLE, FLOAT_CONSTANTS } from "./memory-tables.ts";

/** Fills the tables of constants in a new memory. */
export function writeTables(buffer: ArrayBufferLike): void {
  new Uint32Array(buffer, EXPANSION_TABLE, 65536).set(expansionTable());
  new Uint8Array(buffer).set(cryptoTables(), CRYPTO_TABLES);
  new Uint8Array(buffer).set(floatConstants(), FLOAT_CONSTANTS);
}
