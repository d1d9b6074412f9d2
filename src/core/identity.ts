/** Which life of the peer this is, and its how-manieth start: kept in the store, and never used twice. */
import type { Random, Store } from './ports.ts'

export interface Identity {
  /** 16 hex digits. */
  readonly life: string
  /** Starts of this life, this one included. */
  readonly boot: number
}

const lifeName = 'peer/life'
const bootName = 'peer/boot'

/** Metadata that outlives a life: the key behind the peer id, or the peer id that came with a user's node. */
export const identityKeyName = 'identity/key'
export const identityOwnerName = 'identity/owner'

/** The names of both. */
export const identityNames: readonly string[] = [identityKeyName, identityOwnerName]

/** The cluster that a peer goes back to whose life was ended against its will: it must not end up in another. */
export const identityClusterName = 'identity/cluster'

/** Bytes of a life. */
const lifeBytes = 8

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The life in the store, or a new one where there is none, with the next boot number; durable on return. */
export async function nextBoot(store: Store, random: Random): Promise<Identity> {
  const kept = await store.readMeta(lifeName)
  const life = kept === undefined ? hex(random.bytes(lifeBytes)) : decoder.decode(kept)
  const boots = await store.readMeta(bootName)
  const boot = (boots === undefined || kept === undefined ? 0 : Number(decoder.decode(boots))) + 1
  await store.writeMeta([
    [lifeName, encoder.encode(life)],
    [bootName, encoder.encode(String(boot))]
  ])
  return { life, boot }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
