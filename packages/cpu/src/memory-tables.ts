/**
 * Tables of constants in the machine's WebAssembly memory, as host addresses. Page 0 stays empty. They lie where they
 * are for every machine, so that generated code has their addresses as constants.
 */

/** What 16-bit parcels stand for: 65536 words. */
export const EXPANSION_TABLE = 0x10000;

/** Of the cryptography extensions: `isa/crypto-tables.ts` says what. */
export const CRYPTO_TABLES: number = EXPANSION_TABLE + 65536 * 4;

/** Of FLI, which loads floating-point constants: `isa/float-constants.ts` says what. */
export const FLOAT_CONSTANTS: number = CRYPTO_TABLES + 0x1800;

/** Where the tables end, a multiple of 4096. */
export const TABLES_END: number = CRYPTO_TABLES + 0x2000;
