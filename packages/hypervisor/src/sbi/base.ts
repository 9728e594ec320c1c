import { A0, type SbiCall, SbiError, type SbiExtension } from "./contract.ts";

/** "isom": not on the list of registered implementations (SBI 2.0, section 4.9). */
const IMPLEMENTATION_ID = 0x69736f6d;
const IMPLEMENTATION_VERSION = 1;
/** Minor number in bits 0 to 23, major in bits 24 to 30. */
const SPECIFICATION_VERSION = 2 << 24;

const MVENDORID = 0xf11;
const MARCHID = 0xf12;
const MIMPID = 0xf13;

/** Base extension (SBI 2.0, section 4). `isThere` says which extensions exist. */
export function baseExtension(isThere: (extensionId: number) => boolean): SbiExtension {
  return { id: 0x10, name: "BASE", call: (call) => callBase(call, isThere) };
}

function callBase(call: SbiCall, isThere: (extensionId: number) => boolean): number {
  switch (call.functionId) {
    case 0:
      call.value = SPECIFICATION_VERSION;
      return SbiError.SBI_SUCCESS;
    case 1:
      call.value = IMPLEMENTATION_ID;
      return SbiError.SBI_SUCCESS;
    case 2:
      call.value = IMPLEMENTATION_VERSION;
      return SbiError.SBI_SUCCESS;
    case 3:
      call.value = isThere(call.hart.registerAsNumber(A0)) ? 1 : 0;
      return SbiError.SBI_SUCCESS;
    case 4:
      call.value = call.hart.readCsr(MVENDORID);
      return SbiError.SBI_SUCCESS;
    case 5:
      call.value = call.hart.readCsr(MARCHID);
      return SbiError.SBI_SUCCESS;
    case 6:
      call.value = call.hart.readCsr(MIMPID);
      return SbiError.SBI_SUCCESS;
    default:
      return SbiError.SBI_ERR_NOT_SUPPORTED;
  }
}
