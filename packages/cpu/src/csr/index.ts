export { type CsrFunctions, defineCsrs } from "./define-csrs.ts";
export type { CsrIsa } from "./description.ts";
export { csrByName, csrName } from "./names.ts";
export { prepareSupervisor, resetCsrs } from "./reset.ts";
export { findImpossibleCsr } from "./stored.ts";
