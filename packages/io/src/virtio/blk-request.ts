/** Request types (VIRTIO 1.2, section 5.2.6). */
export const VIRTIO_BLK_T: {
  readonly IN: 0;
  readonly OUT: 1;
  readonly FLUSH: 4;
  readonly GET_ID: 8;
  readonly DISCARD: 11;
  readonly WRITE_ZEROES: 13;
} = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 };

/** Request status (VIRTIO 1.2, section 5.2.6). */
export const VIRTIO_BLK_S: { readonly OK: 0; readonly IOERR: 1; readonly UNSUPP: 2 } = {
  OK: 0,
  IOERR: 1,
  UNSUPP: 2,
};

/** Bytes in a request's header: type, reserved and sector. */
export const HEADER_SIZE = 16;
/** Sectors of all requests and of the capacity are 512 bytes, whatever the block size. */
export const SECTOR = 512;

/** Feature bits (VIRTIO 1.2, section 5.2.3). */
export const VIRTIO_BLK_F: {
  readonly SEG_MAX: bigint;
  readonly RO: bigint;
  readonly BLK_SIZE: bigint;
  readonly FLUSH: bigint;
  readonly TOPOLOGY: bigint;
  readonly CONFIG_WCE: bigint;
  readonly MQ: bigint;
  readonly DISCARD: bigint;
  readonly WRITE_ZEROES: bigint;
} = {
  SEG_MAX: 1n << 2n,
  RO: 1n << 5n,
  BLK_SIZE: 1n << 6n,
  FLUSH: 1n << 9n,
  TOPOLOGY: 1n << 10n,
  CONFIG_WCE: 1n << 11n,
  MQ: 1n << 12n,
  DISCARD: 1n << 13n,
  WRITE_ZEROES: 1n << 14n,
};

/** Most sectors in one discard or write-zeroes segment: 256 MiB. */
export const MAX_RANGE_SECTORS: number = 1 << 19;
/** Most segments in one discard or write-zeroes request. */
export const MAX_RANGE_SEGMENTS = 64;
