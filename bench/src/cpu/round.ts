import type { Architecture } from "./compile.ts";
import { architectureOf, type Emulator } from "./emulators.ts";
import { INIT, type MeasuringGuest } from "./guest.ts";
import type { TableOptions } from "./options.ts";
import { BOOT_ROW } from "./rows.ts";
import { type RowCost, runUntil, Session } from "./session.ts";

/** The kernel says so right before it starts init. */
const INIT_STARTS = "as init process";

/** Seconds that a row of a slow emulator on a busy machine may take. */
const PATIENCE = 300;

/**
 * Every emulator does every row once. All are there at the same time, but only one has something to do: so those who
 * are compared do a row right after one another, whatever else the host is busy with.
 *
 * @param guests - Has one for each emulator's architecture.
 */
export async function runRound(
  emulators: readonly Emulator[],
  guests: ReadonlyMap<Architecture, MeasuringGuest>,
  folder: string,
  { rows, verbose }: TableOptions,
  onRow: (emulator: Emulator, row: string, cost: RowCost) => void,
): Promise<void> {
  const onOutput = verbose ? (text: string): void => void process.stderr.write(text) : undefined;
  const common = { patience: PATIENCE, onOutput };
  const guestOf = (emulator: Emulator): MeasuringGuest => guests.get(architectureOf(emulator))!;
  if (rows.some(({ name }) => name === BOOT_ROW)) {
    for (const emulator of emulators) {
      const { kernel, bootInitrd: initrd, firmware } = guestOf(emulator);
      const command = await emulator.command({ kernel, initrd, firmware, append: "rdinit=/bin/sh", folder });
      onRow(emulator, BOOT_ROW, await runUntil({ ...common, command }, BOOT_ROW, INIT_STARTS));
    }
  }
  const inGuest = rows.filter(({ name }) => name !== BOOT_ROW);
  if (inGuest.length === 0) return;
  const names = inGuest.map(({ name }) => name);
  const append = `rdinit=${INIT} rows=${inGuest.map(({ name, work }) => `${name}:${work}`).join(",")}`;
  const sessions: Session[] = [];
  try {
    for (const emulator of emulators) {
      const { kernel, initrd, firmware } = guestOf(emulator);
      const command = await emulator.command({ kernel, initrd, firmware, append, folder });
      sessions.push(new Session({ ...common, command }, names));
    }
    for (const session of sessions) await session.ready();
    for (const [i, name] of names.entries()) {
      const order = emulators.map((_, at) => at);
      for (const at of i % 2 === 0 ? order : order.toReversed()) {
        onRow(emulators[at]!, name, await sessions[at]!.row());
      }
    }
  } finally {
    for (const session of sessions) session.close();
  }
}
