/**
 * The version of a record orders the writes of its key: first by the hybrid clock's time, then by who wrote.
 * `rmw` is kept at 0 for now: read-modify-write through consensus will order itself by it behind the write it
 * read (carstamps: Burke, Cheng and Lloyd, "Gryff", NSDI 2020).
 */
export interface Version {
  /** Microseconds since 1970 by the hybrid clock; a safe integer of at most `maxTime`. */
  readonly time: number
  /** 16 bytes, unique to a peer or client and its boot. */
  readonly writer: Uint8Array
  readonly rmw: number
}

/** Bytes of a version's writer part. */
export const writerBytes = 16

/** Negative where `a` is older than `b`, 0 where they are the same. Absent is older than any. */
export function compareVersions(a: Version | undefined, b: Version | undefined): number {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1)
  if (a.time !== b.time) return a.time < b.time ? -1 : 1
  for (let i = 0; i < writerBytes; i++) {
    const difference = a.writer[i]! - b.writer[i]!
    if (difference !== 0) return difference
  }
  return a.rmw - b.rmw
}

/** How a version is shown to people: `time.writer.rmw`, the writer in hex. */
export function formatVersion(version: Version): string {
  return `${version.time}.${Buffer.from(version.writer).toString('hex')}.${version.rmw}`
}
