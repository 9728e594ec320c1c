import type { PlatformDevice } from "@isomorph/interface";
import type { DebugConsole } from "../sbi/contract.ts";

/** Registers and bits of a 16550 as far as firmware needs them. */
const RBR_THR = 0;
const LSR = 5;
const LSR_DATA_READY = 0x01;

/** Whether a device is a UART that {@link uartConsole} can drive. */
export function isUart(device: PlatformDevice): boolean {
  const { compatible } = device.devicetree;
  return (
    compatible === "ns16550a" || (Array.isArray(compatible) && compatible.some((name) => name === "ns16550a"))
  );
}

/** The console of firmware that prints through the guest's UART: through its registers, as firmware on a board does. */
export function uartConsole(uart: PlatformDevice): DebugConsole {
  return {
    write(bytes) {
      for (let i = 0; i < bytes.length; i++) uart.mmioWrite(RBR_THR, 1, bytes[i] ?? 0);
    },
    read(target) {
      let count = 0;
      while (count < target.length && (uart.mmioRead(LSR, 1) & LSR_DATA_READY) !== 0) {
        target[count++] = uart.mmioRead(RBR_THR, 1);
      }
      return count;
    },
  };
}
