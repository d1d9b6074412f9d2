/** How far a transfer has come: the parts of movement keep it, the status and events show it. */
export interface Progress {
  records: number
  bytes: number
  /** In words, or undefined. */
  waitsFor: string | undefined
  /** Called after each change that is worth showing. */
  changed: () => void
}

/** Counts records that are on disk where they went. */
export function moved(progress: Progress, records: number, bytes: number): void {
  progress.records += records
  progress.bytes += bytes
  progress.changed()
}

/** Says what is waited for, or with undefined that nothing is any more. */
export function waiting(progress: Progress, what: string | undefined): void {
  if (progress.waitsFor === what) return
  progress.waitsFor = what
  progress.changed()
}

/** What sessions have moved, and have yet to. */
export interface SessionProgress extends Progress {
  /** Records that are known to differ, at the least, and have not moved yet. */
  left: number
  /** What sessions that have not begun are thought to find; see `beginPart`. */
  ahead: Ahead
}

interface Ahead {
  /** Records that had moved when the part that is under way began. */
  readonly movedBefore: number
  /** What is still to come of the ring, over what this part is of. */
  readonly ratio: number
}

export function noProgress(changed: () => void = () => undefined): SessionProgress {
  const ahead = { movedBefore: 0, ratio: 0 }
  return { records: 0, bytes: 0, left: 0, ahead, waitsFor: undefined, changed }
}

/**
 * A part of the ring is gone about, so and so wide, and parts of that width are to follow. Positions are spread
 * evenly: what is found here is what will be found there, by their widths.
 */
export function beginPart(progress: SessionProgress, width: number, following: number): void {
  progress.ahead = { movedBefore: progress.records, ratio: following / width }
}

/** How many records are still to move, as far as can be told. */
export function recordsLeft({ records, left, ahead }: SessionProgress): number {
  return Math.max(0, Math.round(left + (records - ahead.movedBefore + left) * ahead.ratio))
}
