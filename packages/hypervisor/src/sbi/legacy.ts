import { A0, type DebugConsole, SbiError, type SbiExtension, type SbiPlatform } from "./contract.ts";
import { programTimer } from "./time.ts";

const oneByte = new Uint8Array(1);

/**
 * Legacy extensions (SBI 2.0, section 5) that early consoles and small guests still call: timer, console, shutdown.
 * Those for IPIs and fences take pointers to virtual memory and have had replacements for long: they are not there.
 */
export function legacyExtensions(
  { end }: SbiPlatform,
  console: DebugConsole | undefined,
): readonly SbiExtension[] {
  const timer: SbiExtension = {
    id: 0x00,
    name: "legacy set timer",
    legacy: true,
    call({ hart }) {
      programTimer(hart);
      return SbiError.SBI_SUCCESS;
    },
  };
  const shutdown: SbiExtension = {
    id: 0x08,
    name: "legacy shutdown",
    legacy: true,
    call() {
      end({ reason: "power-off", code: 0 });
      return SbiError.SBI_SUCCESS;
    },
  };
  return console === undefined ? [timer, shutdown] : [timer, shutdown, ...legacyConsole(console)];
}

function legacyConsole(console: DebugConsole): readonly SbiExtension[] {
  const putchar: SbiExtension = {
    id: 0x01,
    name: "legacy console putchar",
    legacy: true,
    call({ hart }) {
      oneByte[0] = hart.registerAsNumber(A0) & 0xff;
      console.write(oneByte);
      return SbiError.SBI_SUCCESS;
    },
  };
  const getchar: SbiExtension = {
    id: 0x02,
    name: "legacy console getchar",
    legacy: true,
    call() {
      const count = console.read?.(oneByte) ?? 0;
      return count > 0 ? (oneByte[0] ?? -1) : -1;
    },
  };
  return [putchar, getchar];
}
