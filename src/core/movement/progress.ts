/** How far a transfer has come: the parts of movement keep it, the status shows it. */
export interface Progress {
  records: number
  bytes: number
  /** In words, or undefined. */
  waitsFor: string | undefined
}

/** Counts records that are on disk where they went. */
export function moved(progress: Progress, records: number, bytes: number): void {
  progress.records += records
  progress.bytes += bytes
}
