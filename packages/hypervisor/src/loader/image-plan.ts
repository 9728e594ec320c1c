/** A run of bytes for guest memory. */
export interface ImageSegment {
  /** GPA of the first byte. */
  readonly gpa: number;
  /** What is copied there. */
  readonly bytes: Uint8Array;
  /** Bytes of memory that the segment takes; what lies beyond {@link bytes} is set to zero. */
  readonly size: number;
}

/** Where an image goes and where it starts. Checked: every segment lies in guest memory. */
export interface ImagePlan {
  /** What the image is, for the log. */
  readonly format: string;
  /** GPA of the first instruction. */
  readonly entry: number;
  readonly segments: readonly ImageSegment[];
  /** The first GPA above all segments. */
  readonly end: number;
}

/** The range of guest memory that images may go to. */
export interface MemoryRange {
  readonly base: number;
  readonly size: number;
}
