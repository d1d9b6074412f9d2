/**
 * The requests of others that concern a peer as a whole rather than one of the parts of its life: what it coordinates
 * for clients, what it says of itself and of the cluster, which keys there are, and a restore. The rest are in
 * life-routes.ts.
 */
import type { LimitUse } from '../api.ts'
import type { CancelSignal } from './canceller.ts'
import { toJson, troubleOf, type SelfDescription } from './describe.ts'
import { AnnulusError } from './errors.ts'
import { isChange, type Orders } from './forward.ts'
import { maxMembers, maxReplicas } from './limits.ts'
import { listOwnKeys } from './listing.ts'
import { ServeError, type Clock, type Store, type Transport } from './ports.ts'
import type { Present } from './present.ts'
import { slotCount } from './record/fingerprints.ts'
import type { PeerRoutes } from './requests/dispatcher.ts'
import type { Refusals } from './requests/refusals.ts'
import { serveRestore } from './restore-calls.ts'
import { positionBytes } from './ring/position.ts'
import type { RequestBody, ResponseBody } from './rpc-types.ts'

export interface PeerRoutesComponents {
  readonly present: Present
  readonly orders: Orders
  readonly refusals: Pick<Refusals, 'summary'>
  readonly transport: Pick<Transport, 'limits'>
  readonly store: Store
  readonly clock: Clock
}

export interface PeerRoutesInit {
  /** Version of the program, shown in the status. */
  readonly version: string
}

export function peerRoutes(components: PeerRoutesComponents, { version }: PeerRoutesInit): PeerRoutes {
  const { present, orders } = components
  return {
    forward: {
      atEpoch: false,
      roles: 'all',
      changes: isChange,
      serve: (message, asked) => orders.serve(present.life().coordinator, message, asked)
    },
    describe: {
      atEpoch: false,
      roles: 'all',
      serve: ({ cluster }, { signal }) =>
        asServed(async () => {
          const description = cluster ? await present.status(signal) : describeSelf(components, version)
          return { description: { json: toJson(description) } }
        })
    },
    listKeys: {
      atEpoch: false,
      roles: 'all',
      serve: (message, { signal }) => asServed(() => listKeys(components, message, signal))
    },
    restore: {
      atEpoch: false,
      roles: 'all',
      // Without it, it is only asked what it would come to.
      changes: ({ acceptLoss }) => acceptLoss !== '',
      serve: (message, { signal }) => asServed(() => serveRestore(present.life().restorer, message, signal))
    }
  }
}

function describeSelf(components: PeerRoutesComponents, version: string): SelfDescription {
  const { present, store, refusals, transport } = components
  const { sent, quota, mover, steward } = present.life()
  const { fingerprints } = store
  return {
    ...store.usage(),
    damaged: fingerprints.damaged(0, slotCount).length,
    trouble: troubleOf(fingerprints) ?? store.trouble ?? quota.trouble ?? null,
    sentRecords: sent.total.records,
    sentBytes: sent.total.bytes,
    refused: refusals.summary,
    limits: { ...transport.limits?.(), ...ownLimits(present, store) },
    version,
    transfers: mover.transfers(),
    waitingFor: steward.waiting
  }
}

/** Those of the peer itself, beside those of its transport. */
function ownLimits(present: Present, store: Store): Record<string, LimitUse> {
  const { quota } = present.life()
  const { newestLives, replicas } = present.topology()
  const limits = {
    maxMembers: { limit: maxMembers, inUse: newestLives.length, hits: 0 },
    maxReplicas: { limit: maxReplicas, inUse: replicas, hits: 0 }
  }
  if (quota.maxBytes === Infinity) return limits
  const { bytes } = store.usage()
  return { ...limits, maxDiskBytes: { limit: quota.maxBytes, inUse: bytes, hits: quota.refused } }
}

async function listKeys(
  { present, store, clock }: PeerRoutesComponents,
  { after, cluster }: NonNullable<RequestBody['listKeys']>,
  signal: CancelSignal
): Promise<ResponseBody> {
  if (after.length !== 0 && after.length !== positionBytes)
    throw new ServeError('bad-request', `a position has ${positionBytes} bytes`)
  const page = cluster ? await present.keysAfter(after, signal) : await listOwnKeys(store, clock, after)
  return { keyPage: page }
}

/** What this peer cannot answer now another one may: whoever asked is told so. */
async function asServed(serve: () => Promise<ResponseBody>): Promise<ResponseBody> {
  try {
    return await serve()
  } catch (error) {
    if (error instanceof AnnulusError) throw new ServeError('not-ready', error.message)
    throw error
  }
}
