/** A range of the ring: the positions in (start, end], clockwise, which may wrap. Equal ends: the whole ring. */
export interface Range {
  /** 32 bytes, not in the range. */
  readonly start: Uint8Array
  /** 32 bytes, in the range. */
  readonly end: Uint8Array
}
