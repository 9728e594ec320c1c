import type { Hart } from "@isomorph/cpu";
import { type HartThread, Mail } from "@isomorph/cpu/threads";
import { SbiServer } from "../sbi/firmware.ts";
import { ipiExtension } from "../sbi/ipi.ts";
import { rfenceExtension } from "../sbi/rfence.ts";
import { timeExtension } from "../sbi/time.ts";

/** Calls of the SBI that concern harts and nothing else, served in the caller's thread: TIME, IPI, RFENCE. */
export function threadFirmware({ hart, channels }: HartThread): SbiServer {
  const tickets: number[] = [];
  const others = channels.map((channel, id): Pick<Hart, "setInterrupt" | "fence"> => {
    if (id === hart.id) return hart;
    return {
      // The one interrupt that other harts send.
      setInterrupt: () => channel.notify(Mail.SOFTWARE_INTERRUPT),
      fence(kind) {
        tickets[id] = channel.request(kind === "instruction" ? Mail.FENCE_I : Mail.FENCE_VMA);
      },
    };
  });
  const rfence = rfenceExtension({ harts: others });
  return new SbiServer([
    timeExtension,
    ipiExtension({ harts: others }),
    {
      ...rfence,
      call(call) {
        tickets.length = 0;
        const result = rfence.call(call);
        tickets.forEach((ticket, id) => void channels[id]?.await(ticket));
        return result;
      },
    },
  ]);
}
