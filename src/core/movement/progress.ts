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

/** What sessions have moved, and what it took. */
export interface SessionProgress extends Progress {
  /** Bytes of sums, fingerprints and heads, both ways: what finding the differences has cost. */
  comparedBytes: number
  /** Records that are known to differ and have not moved yet. */
  left: number
}

export function noProgress(): SessionProgress {
  return { records: 0, bytes: 0, comparedBytes: 0, left: 0, waitsFor: undefined }
}
