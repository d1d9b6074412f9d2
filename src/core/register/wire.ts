/** Between the register's messages and the core's own types. What comes in is checked here. */
import type { Response, Version as WireVersion } from '../../wire/generated/messages.ts'
import { maxTime } from '../limits.ts'
import { writerBytes, type Version } from '../record/version.ts'

/** The numbers of `RefusedCode` in messages.proto that concern a key. */
export const refusedCode = { damaged: 2, disk: 4, full: 5 } as const

export function toWireVersion({ time, writer, rmw }: Version): WireVersion {
  return { time, writer: writer, rmw }
}

/** Whether a version that came over the wire can be one: a faulty one must not drive the clock. */
export function isVersion({ time, writer }: Version): boolean {
  return Number.isSafeInteger(time) && time >= 0 && time <= maxTime && writer.length === writerBytes
}

/**
 * Whether the replica that sent this answer to a write may have stored it. One that did not serve the
 * request, the epochs being unequal, answers with neither of the two.
 */
export function mayHaveStored({ done, refused }: Response): boolean {
  if (refused === undefined) return done !== undefined
  return refused.code !== refusedCode.damaged && refused.code !== refusedCode.full
}

/** Whether the replica that sent this answer has no room for what is to be put. */
export function isFull({ version, refused }: Response): boolean {
  return version?.full === true || refused?.code === refusedCode.full
}
