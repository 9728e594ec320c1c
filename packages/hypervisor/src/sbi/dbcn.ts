import {
  A0,
  A1,
  A2,
  type DebugConsole,
  type SbiCall,
  SbiError,
  type SbiExtension,
  type SbiPlatform,
} from "./contract.ts";

/** At most so many bytes go through one call: it may do part of the work (SBI 2.0, sections 12.1 and 12.2). */
const MAX_TRANSFER = 16 << 10;

const oneByte = new Uint8Array(1);

/** Debug Console extension (SBI 2.0, section 12). */
export function dbcnExtension(platform: SbiPlatform, console: DebugConsole): SbiExtension {
  return {
    id: 0x4442434e,
    name: "DBCN",
    call(call) {
      switch (call.functionId) {
        case 0:
          return transfer(platform, call, console, false);
        case 1:
          return transfer(platform, call, console, true);
        case 2:
          oneByte[0] = call.hart.registerAsNumber(A0) & 0xff;
          console.write(oneByte);
          return SbiError.SBI_SUCCESS;
        default:
          return SbiError.SBI_ERR_NOT_SUPPORTED;
      }
    },
  };
}

function transfer({ memory }: SbiPlatform, call: SbiCall, console: DebugConsole, isRead: boolean): number {
  const length = call.hart.registerAsNumber(A0);
  const gpa = call.hart.registerAsNumber(A1);
  // On RV64 the high part (a2) must be zero for any address that exists.
  if (call.hart.registerAsNumber(A2) !== 0 || length < 0) return SbiError.SBI_ERR_INVALID_PARAM;
  if (length === 0) return SbiError.SBI_SUCCESS;
  if (!memory.contains(gpa, length)) return SbiError.SBI_ERR_INVALID_PARAM;
  const window = memory.view(gpa, Math.min(length, MAX_TRANSFER));
  if (!isRead) {
    console.write(window);
    call.value = window.length;
    return SbiError.SBI_SUCCESS;
  }
  call.value = console.read?.(window) ?? 0;
  memory.markDirty(gpa, window.length);
  return SbiError.SBI_SUCCESS;
}
