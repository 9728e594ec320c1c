import { concurrencyCases } from "./block-concurrency.ts";
import { contentCases } from "./block-content.ts";
import { limitCases } from "./block-limits.ts";
import type { BlockBackendCaseOptions, OpenBlockBackend } from "./block-request.ts";
import type { ComplianceCase } from "./case.ts";

/** Checks of the `BlockBackend` contract, for any implementation. */
export function blockBackendCases(
  open: OpenBlockBackend,
  options: BlockBackendCaseOptions = {},
): ComplianceCase[] {
  return [...limitCases(open, options), ...contentCases(open, options), ...concurrencyCases(open)];
}
