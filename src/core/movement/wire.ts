/** Between the messages of movement and the core's own types; what comes in is checked here. */
import type {
  PositionVersion as WirePositionVersion,
  Range as WireRange
} from '../../wire/generated/messages.ts'
import { maxTime } from '../limits.ts'
import { ServeError } from '../ports.ts'
import type { RecordHead } from '../record/record.ts'
import { writerBytes, type Version } from '../record/version.ts'
import { positionBytes } from '../ring/position.ts'
import type { Range } from '../ring/range.ts'

/** What one peer tells another of a record that it holds. */
export interface HeldVersion {
  readonly position: Uint8Array
  readonly version: Version
  /** Bytes of the encoded record. */
  readonly size: number
}

/** Ranges in one request: 32 KiB of bounds. */
export const maxRangesPerRequest = 512

/** Versions in one message: about 70 KiB. */
export const maxVersionsPerMessage = 1024

export function toWireVersions(heads: readonly (RecordHead | HeldVersion)[]): WirePositionVersion[] {
  return heads.map(({ position, version, size }) => ({
    position: position,
    version: { ...version, writer: version.writer },
    size
  }))
}

export function fromWireVersions(versions: readonly WirePositionVersion[]): HeldVersion[] {
  if (versions.length > maxVersionsPerMessage) {
    throw new ServeError(
      'bad-request',
      `${versions.length} versions in a message, more than ${maxVersionsPerMessage}`
    )
  }
  return versions.map(({ position, version, size }) => {
    if (
      version === undefined ||
      version.writer.length !== writerBytes ||
      !(version.time >= 0 && version.time <= maxTime)
    ) {
      throw new ServeError('bad-request', 'a version is malformed')
    }
    return { position: checkedPosition(position), version, size }
  })
}

export function fromWireRanges(ranges: readonly WireRange[]): Range[] {
  if (ranges.length > maxRangesPerRequest) {
    throw new ServeError(
      'bad-request',
      `${ranges.length} ranges in a request, more than ${maxRangesPerRequest}`
    )
  }
  return ranges.map(({ start, end }) => ({ start: checkedPosition(start), end: checkedPosition(end) }))
}

export function checkedPosition(position: Uint8Array): Uint8Array {
  if (position.length !== positionBytes) {
    throw new ServeError('bad-request', `a position has ${position.length} bytes instead of ${positionBytes}`)
  }
  return position
}
