/** A virtio transport as a guest's driver sees it: the operations of VIRTIO 1.2, chapter 3, over some registers. */
export interface DriverTransport {
  /** Device type (section 5). */
  readonly deviceId: number;
  readStatus(): number;
  writeStatus(value: number): void;
  /** Offered features, all 64 bits. */
  readFeatures(): bigint;
  writeFeatures(features: bigint): void;
  /** Largest size of queue `index`; 0 when there is no such queue. */
  maxQueueSize(index: number): number;
  /** Places queue `index` and enables it. Addresses are GPAs. */
  enableQueue(index: number, size: number, descriptors: number, available: number, used: number): void;
  notify(index: number): void;
  /** Reads the interrupt status and acknowledges what it says. */
  takeInterrupts(): number;
  configGeneration(): number;
  readConfig(offset: number, size: 1 | 2 | 4): number;
  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void;
}
