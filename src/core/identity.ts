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

const lifePattern = /^[0-9a-f]{16}$/
const bootPattern = /^[1-9]\d{0,14}$/

/** What the store says of the life is not what was written: whoever went on with it might repeat its stamps. */
export class IdentityDamagedError extends Error {
  override readonly name = 'IdentityDamagedError'
}

/**
 * The life in the store, or a new one where there is none, with the next boot number; durable on return. Throws
 * IdentityDamagedError.
 */
export async function nextBoot(
  store: Pick<Store, 'readMeta' | 'writeMeta'>,
  random: Random
): Promise<Identity> {
  const kept = await store.readMeta(lifeName)
  const life = kept === undefined ? hex(random.bytes(lifeBytes)) : decoder.decode(kept)
  const boot = kept === undefined ? 1 : readBoot(await store.readMeta(bootName)) + 1
  if (!lifePattern.test(life)) throw new IdentityDamagedError('the life on disk is none')
  await store.writeMeta([
    [lifeName, encoder.encode(life)],
    [bootName, encoder.encode(String(boot))]
  ])
  return { life, boot }
}

function readBoot(kept: Uint8Array | undefined): number {
  const text = decoder.decode(kept)
  if (!bootPattern.test(text)) throw new IdentityDamagedError('the boot number on disk is none')
  return Number(text)
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
