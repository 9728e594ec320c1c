/** The machine in a browser: gets its images from the bridge, and has its console there. */
import { riscv64 } from "@isomorph/cpu";
import { createVm } from "@isomorph/hypervisor";
import { uart16550, virtioRng } from "@isomorph/io";
import { type MachineRequest, paths } from "./paths.ts";

const image = async (path: string): Promise<Uint8Array> => {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
};

/** What the guest says, in order: one request at a time, which takes all that came meanwhile. */
class Output {
  #waiting: Uint8Array[] = [];
  #isBusy = false;

  push(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    if (!this.#isBusy) void this.#send();
  }

  async #send(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.length > 0) {
      const body = new Blob(this.#waiting as Uint8Array<ArrayBuffer>[]);
      this.#waiting = [];
      await fetch(paths.output, { method: "POST", body });
    }
    this.#isBusy = false;
  }
}

async function run(): Promise<string> {
  const { memory, cmdline } = (await (await fetch(paths.machine)).json()) as MachineRequest;
  const [kernel, initrd] = await Promise.all([image(paths.kernel), image(paths.initrd)]);
  const vm = await createVm({
    cpu: riscv64(),
    ...{ memory, kernel, initrd, cmdline },
    devices: { serial: uart16550(), rng: virtioRng() },
  });
  const { serial } = vm.devices;
  const output = new Output();
  serial.ontransmit = (bytes) => output.push(bytes);
  void feed((bytes) => serial.write(bytes));
  return (await vm.run()).reason;
}

/** Types what the bridge sends. It is a line now and then: what the port has no room for is asked for again. */
async function feed(write: (bytes: Uint8Array) => unknown): Promise<void> {
  const reader = (await fetch(paths.input)).body!.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) write(next.value);
}

run().then(
  (reason) => fetch(paths.ended, { method: "POST", body: reason }),
  (error: unknown) => fetch(paths.failed, { method: "POST", body: String(error) }),
);
