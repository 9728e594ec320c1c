/**
 * Case lists that say whether an implementation keeps a contract: loop over them in any test runner.
 *
 * ```ts
 * for (const { name, run } of blockBackendCases(({ size }) => myDisk(size))) test(name, run);
 * ```
 *
 * @packageDocumentation
 */
export { blockBackendCases } from "./block-backend.ts";
export type { BlockBackendCaseOptions, BlockBackendRequest, OpenBlockBackend } from "./block-request.ts";
export { type ComplianceCase, ComplianceError } from "./case.ts";
export { guestMemoryCases } from "./guest-memory.ts";
export { type NetPortSubject, netPortCases } from "./net-port.ts";
export { seededRandom } from "./random.ts";
export { type SnapshottableSubject, snapshottableCases } from "./snapshottable.ts";
