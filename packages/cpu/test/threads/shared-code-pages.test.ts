import { type CodeHolders, MachineMemory } from "@isomorph/mmu";
import { describe, expect, it } from "vitest";
import { HartChannel } from "../../src/threads/channel.ts";
import { Activity, Mail, Mailbox } from "../../src/threads/layout.ts";
import { announceCodeWrite, SharedCodePages } from "../../src/threads/shared-code-pages.ts";

const BLOCK = 0x10000;
const STRIDE = 0x1000;

/** Two harts that rest, on memory of sixteen pages. */
function rig() {
  const memory = new MachineMemory({ ramBase: 0, ramSize: 16 << 12, reserved: 0x20000, shared: true });
  const holders = memory.codeHolders as CodeHolders;
  const channels = [0, 1].map((hart) => new HartChannel(memory.memories.memory, BLOCK + hart * STRIDE));
  for (const channel of channels) channel.write(Mailbox.ACTIVITY, Activity.RESTING);
  const firstPage = memory.ramOffset >>> 12;
  let strips = 0;
  const pages = [0, 1].map(
    (hart) => new SharedCodePages({ holders, firstPage, channels, hart, strip: () => void strips++ }),
  );
  const mailOf = (hart: number): number => {
    let mail = 0;
    channels[hart]?.takeMail((taken) => {
      mail = taken;
    });
    return mail;
  };
  const dropped = (hart: number): number[] => {
    const found: number[] = [];
    pages[hart]?.dropStale((page) => found.push(page - firstPage));
    return found;
  };
  return { holders, channels, firstPage, pages, mailOf, dropped, strips: () => strips };
}

describe("pages of whose code harts in threads hold translations", () => {
  it("are protected at the other harts before their code is read", () => {
    const { holders, firstPage, pages, mailOf, strips } = rig();
    pages[0]?.read(firstPage + 3);
    expect(holders.holders[3]).toBe(1);
    expect(strips()).toBe(1);
    expect(mailOf(1)).toBe(Mail.PROTECT_CODE);
    expect(mailOf(0)).toBe(0);
    pages[0]?.read(firstPage + 3);
    expect(mailOf(1)).toBe(0);
    pages[1]?.read(firstPage + 3);
    expect(holders.holders[3]).toBe(3);
    pages[0]?.release(firstPage + 3);
    expect(holders.holders[3]).toBe(2);
  });

  it("are stale for the others, who are told once, when they are written", () => {
    const { holders, channels, firstPage, pages, mailOf, dropped } = rig();
    for (const page of [3, 4, 5]) pages[1]?.read(firstPage + page);
    mailOf(0);
    announceCodeWrite(holders, channels, (4 << 12) - 4, 8, 0);
    expect(mailOf(1)).toBe(Mail.CODE_WRITTEN);
    expect(mailOf(0)).toBe(0);
    announceCodeWrite(holders, channels, 4 << 12, 8, 0);
    expect(mailOf(1)).toBe(0);
    expect(dropped(1)).toEqual([3, 4]);
    expect([...holders.holders.subarray(3, 6)]).toEqual([0, 0, 2]);
    expect([...holders.stale.subarray(3, 6)]).toEqual([0, 0, 0]);
  });

  it("are announced again when they were marked between a release and the next translation", () => {
    const { holders, channels, firstPage, pages, mailOf, dropped } = rig();
    // The writer has seen a holder that has let go of the page since.
    holders.stale[3] = 2;
    channels[1]?.notify(Mail.CODE_WRITTEN);
    expect(mailOf(1)).toBe(Mail.CODE_WRITTEN);
    expect(dropped(1)).toEqual([]);
    pages[1]?.read(firstPage + 3);
    announceCodeWrite(holders, channels, 3 << 12, 4, 0);
    expect(mailOf(1)).toBe(Mail.CODE_WRITTEN);
    expect(dropped(1)).toEqual([3]);
  });

  it("count as data while others write them all the time", () => {
    const { holders, channels, firstPage, pages, dropped } = rig();
    for (let round = 0; round < 16; round++) {
      expect(pages[1]?.isData(firstPage + 3)).toBe(false);
      pages[1]?.read(firstPage + 3);
      announceCodeWrite(holders, channels, 3 << 12, 4);
      expect(dropped(1)).toEqual([3]);
    }
    expect(pages[1]?.isData(firstPage + 3)).toBe(true);
    expect(pages[1]?.isData(firstPage + 4)).toBe(false);
  });
});
