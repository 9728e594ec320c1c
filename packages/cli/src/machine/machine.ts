import { riscv64 } from "@isomorph/cpu";
import { createVm, type Vm, type VmConfig } from "@isomorph/hypervisor";
import { nodeThreads } from "@isomorph/hypervisor/node";
import type { BlockBackend, Device, DeviceFactory } from "@isomorph/interface";
import {
  memoryNetwork,
  type Uart16550,
  uart16550,
  type VirtioConsole,
  type VirtioSerialPorts,
  virtioBlk,
  virtioConsole,
  virtioNet,
  virtioRng,
} from "@isomorph/io";

/** What the command's machines differ in. */
export interface MachineConfig
  extends Pick<
    VmConfig,
    | "harts"
    | "memory"
    | "kernel"
    | "initrd"
    | "firmware"
    | "cmdline"
    | "transport"
    | "clock"
    | "log"
    | "rngSeed"
    | "onReset"
    | "htif"
    | "signal"
  > {
  /** The disks, in the order in which the guest is to find them: `/dev/vda`, `/dev/vdb`, ... */
  readonly disks?: readonly BlockBackend[];
  /** Gives the guest a virtio console of this size, `/dev/hvc0`, besides its serial port. */
  readonly virtioConsole?: { readonly columns: number; readonly rows: number } | undefined;
  /** A network card at an otherwise empty hub. */
  readonly hasNet?: boolean;
  readonly hasRng?: boolean;
  /** The ports of the agent. */
  readonly agent?: VirtioSerialPorts | undefined;
  readonly translationThreshold?: number | undefined;
  /** Those of an earlier machine. */
  readonly translations?: Uint8Array | undefined;
  /** Whether those are put to the test. */
  readonly reviewTranslations?: boolean | undefined;
  /** Whether each processor runs in a thread of its own. */
  readonly threads?: boolean | undefined;
}

/** A machine with the devices that the command talks to. */
export interface Machine {
  readonly vm: Vm;
  readonly serial: Uart16550;
  readonly console: VirtioConsole | undefined;
}

/** Builds a machine of the command. */
export async function buildMachine(config: MachineConfig): Promise<Machine> {
  const { disks = [], hasNet, hasRng, agent, threads, ...others } = config;
  const { translationThreshold, translations, reviewTranslations, ...rest } = others;
  const devices: Record<string, DeviceFactory<Device>> = { serial: uart16550() };
  disks.forEach((backend, index) => {
    devices[`disk${index}`] = virtioBlk({ backend });
  });
  if (config.virtioConsole !== undefined) devices.console = virtioConsole(config.virtioConsole);
  if (agent !== undefined) {
    devices.agent = (slot) => {
      slot.defer(() => agent.close());
      return agent;
    };
  }
  if (hasNet === true) devices.net = virtioNet({ port: memoryNetwork().port() });
  if (hasRng === true) devices.rng = virtioRng();
  const { virtioConsole: _, ...machine } = rest;
  const vm = await createVm({
    ...machine,
    ...(threads === true ? { threads: nodeThreads() } : {}),
    cpu: riscv64({
      ...(translationThreshold === undefined ? {} : { translationThreshold }),
      translations,
      reviewTranslations,
    }),
    devices,
  });
  return {
    vm,
    serial: vm.devices.serial as Uart16550,
    console: vm.devices.console as VirtioConsole | undefined,
  };
}
