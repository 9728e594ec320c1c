/**
 * The contracts between isomorph's packages, and their compliance case lists: `compliance`.
 *
 * @packageDocumentation
 */
export {};
