export { type CsrFunctions, type CsrOptions, defineCsrs } from "./define-csrs.ts";
export type { Csr, CsrField, CsrGuard, CsrIsa, CsrRule } from "./description.ts";
export { csrByName, csrName } from "./names.ts";
export { type CsrReset, prepareSupervisor, resetCsrs } from "./reset.ts";
export { findImpossibleCsr } from "./stored.ts";
export { CSRS, Menvcfg, Mstatus } from "./table.ts";
