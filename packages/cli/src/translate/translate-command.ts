import { UsageError } from "../command/failure.ts";
import { createProgress } from "../command/progress.ts";
import type { SessionEnd } from "../machine/session.ts";
import type { RunCommandOptions } from "../run/options.ts";
import { checkCombination, runImages } from "../run/run-command.ts";
import { openSight } from "../sight/sight.ts";
import { openTranslations, TranslationsKeeper } from "./translations-file.ts";

/** The options of `isomorph translate`, as they were parsed. */
export interface TranslateOptions
  extends Omit<RunCommandOptions, "demo" | "htif" | "signature" | "signatureGranularity" | "translations"> {
  readonly output: string;
  readonly until?: string | undefined;
  readonly for?: number | undefined;
  readonly instructions?: number | undefined;
}

/** `isomorph translate`. @param program - The ELF file that was given without an option. */
export async function translateCommand(
  program: string | undefined,
  options: TranslateOptions,
): Promise<number> {
  const { output, until, for: seconds, instructions } = options;
  checkCombination(program, options);
  if (options.translateAfter === 0) {
    throw new UsageError("--translate-after 0 only interprets, so there is nothing to learn: leave it out");
  }
  const translations = await openTranslations(output, "--output");
  const progress = createProgress(process.stderr);
  const sight = new TranslationsKeeper(output, "--output", translations, progress, await openSight(options));
  const end: SessionEnd = { text: until, seconds, instructions };
  return runImages(program, options, { translations, sight, end });
}
