/** How far a transfer has come: the parts of movement keep it, the status shows it. */
export interface Progress {
  records: number
  bytes: number
  /** In words, or undefined. */
  waitsFor: string | undefined
}

/** Counts records that moved and are on disk where they went; whatever was waited for has come. */
export function moved(progress: Progress, records: number, bytes: number): void {
  progress.records += records
  progress.bytes += bytes
  progress.waitsFor = undefined
}
