/** An entry of the log as log.ts keeps it: decoded, as it goes over the wire, and as it lies on disk. */
import { Entry as WireEntry } from '../../wire/generated/messages.ts'
import { entryFromWire, entryToWire } from './codec.ts'
import type { Entry } from './entry.ts'
import { Shared } from './shared.ts'

export interface KeptEntry {
  readonly entry: Entry
  readonly wire: WireEntry
  readonly bytes: Uint8Array
}

const entries = new Shared<KeptEntry>()

export function kept(entry: Entry): KeptEntry {
  const wire = entryToWire(entry)
  const bytes = WireEntry.encode(wire)
  return entries.one(bytes, () => ({ entry, wire, bytes }))
}

/** Throws where the bytes are no entry. */
export function keptFromBytes(bytes: Uint8Array): KeptEntry {
  return entries.one(bytes, () => {
    const wire = WireEntry.decode(bytes)
    return { entry: entryFromWire(wire), wire, bytes }
  })
}
