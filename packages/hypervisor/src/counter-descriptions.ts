import { type CounterDescription, PROCESSOR_COUNTERS } from "@isomorph/cpu";

type Descriptions = Readonly<Record<string, CounterDescription>>;

const count = (unit: string, meaning: string): CounterDescription => ({ unit, meaning });

const MACHINE: Descriptions = {
  slices: count("slices", "that harts were given"),
  turns: count("turns", "of the machine between two of the event loop"),
  sleeps: count("sleeps", "while every hart waited"),
  firmwareCalls: count("calls", "to the SBI that the VMM serves"),
  calls: count("calls", "of harts in threads to the thread with the devices"),
  instructions: count("instructions", "retired by all harts"),
  resets: count("resets", "of the machine"),
  htifRequests: count("requests", "of a test program through `tohost`"),
};

const BUS: Descriptions = {
  reads: count("accesses", "read from devices"),
  writes: count("accesses", "written to devices"),
  unmapped: count("accesses", "to addresses with nothing there"),
};

const TRANSPORT: Descriptions = {
  notifications: count("notifications", "by the driver that a queue has work"),
  interrupts: count("interrupts", "to the driver"),
  violations: count("violations", "of the virtio protocol by the driver"),
  resets: count("resets", "of the device by the driver"),
};

/** By the counter's own name: devices of one kind count alike. */
const DEVICE: Descriptions = {
  reads: count("requests", "to read"),
  writes: count("requests", "to write"),
  flushes: count("requests", "to make writes durable"),
  discards: count("requests", "to discard or zero"),
  errors: count("requests", "that failed on the host"),
  unsupported: count("requests", "of a kind that the device does not know"),
  malformed: count("requests", "that are none"),
  inFlight: count("requests", "under way now"),
  transmitted: count("bytes", "from the guest"),
  received: count("bytes or frames", "to the guest"),
  dropped: count("bytes", "that nobody took in time"),
  untold: count("messages", "for a driver that does not listen"),
  breaks: count("breaks", "sent by the guest"),
  requests: count("requests", "for random bytes"),
  bytes: count("bytes", "given"),
  sent: count("frames", "from the guest"),
  sendDropped: count("frames", "from the guest that nobody took"),
  receiveDropped: count("frames", "to the guest that had no room"),
  alarms: count("alarms", "that went off"),
};

const GROUPS: Readonly<Record<string, Descriptions>> = {
  cpu: PROCESSOR_COUNTERS,
  vm: MACHINE,
  bus: BUS,
  transports: TRANSPORT,
  devices: DEVICE,
};

/**
 * What one of the counters of `vm.counters()` counts, and in which unit: `cpu.tlbWalks`, `devices.disk0.reads`.
 * undefined for a counter of a device that is not isomorph's own.
 */
export function describeCounter(name: string): CounterDescription | undefined {
  const group = GROUPS[name.slice(0, name.indexOf("."))];
  const last = name.slice(name.lastIndexOf(".") + 1);
  return group !== undefined && Object.hasOwn(group, last) ? group[last] : undefined;
}
