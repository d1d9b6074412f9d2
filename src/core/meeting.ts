/** How a peer finds the others: at its first start by the addresses it was given, later by those it knows. */
import type { CancelSignal } from './canceller.ts'
import { AnnulusError } from './errors.ts'
import type { Liveness } from './liveness/liveness.ts'
import type { MemberId } from './member.ts'
import {
  TransportError,
  type Clock,
  type Logger,
  type Random,
  type Refusal,
  type Remote,
  type Transport
} from './ports.ts'
import type { Calls } from './rpc-types.ts'
import { sleep } from './time.ts'
import type { TopologyLog } from './topology/log.ts'

/** How long one address may take to answer, in ms. */
const connectTimeoutMs = 3_000

/** Between two rounds over the addresses, in ms: doubles from the first to the last, jittered by half. */
const firstPauseMs = 250
const lastPauseMs = 5_000

/** How long a returning peer gives the others to say that another process runs as it, in ms. */
const greetTimeoutMs = 1_500

/** How many of the others it asks that. */
const maxGreeted = 8

/** How many of those it is connected to are asked where the others listen. */
const maxAsked = 3

export interface MeetingComponents {
  readonly transport: Transport
  readonly calls: Calls
  readonly log: TopologyLog
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface MeetInit {
  /** Multiaddrs, tried in order, round after round. */
  readonly addresses: readonly string[]
  /** It has been in a cluster: whoever is of another one by now is passed over. Default false. */
  readonly hasHome?: boolean
  readonly signal: CancelSignal
  /** Told in words what it waits for, when that changes. */
  readonly onWaiting: (reason: string) => void
}

/**
 * Goes from address to address until one of them has given the log. Throws ERR_CONFIG or ERR_DUPLICATE where
 * one answers that this peer does not belong there, for which no waiting helps.
 */
export async function meet(components: MeetingComponents, init: MeetInit): Promise<void> {
  const { log, clock, random } = components
  let told = ''
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, lastPauseMs)) {
    const reasons: string[] = []
    for (const address of init.addresses) {
      reasons.push(`${address}: ${await fetchLog(components, address, init)}`)
      if (log.current !== undefined) return
    }
    const reason = `cannot join through ${reasons.join('; ')}; trying again`
    if (reason !== told) init.onWaiting(reason)
    told = reason
    await sleep(clock, pauseMs * (0.75 + random.float() / 2), init.signal)
  }
}

/** Asks one address for the log; gives why there is none, in words. */
async function fetchLog(
  components: MeetingComponents,
  address: string,
  { signal, hasHome = false }: Pick<MeetInit, 'signal' | 'hasHome'>
): Promise<string> {
  const { transport, calls, log } = components
  const options = { timeoutMs: connectTimeoutMs, signal }
  try {
    const remote = await transport.connect(address, options)
    // What the answer brings has been learnt when the call returns.
    await calls.call(remote, { fetchLog: { after: log.epoch } }, options)
    return 'has no cluster yet'
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof TransportError)) throw error
    if (error.refusal === undefined) return error.message
    if (error.refusal.code !== 'cluster' || !hasHome) throwIfFinal(error.refusal, address)
    return `refused this peer: ${error.refusal.reason}`
  }
}

function throwIfFinal(refusal: Refusal, address: string): void {
  // There may be room later, and lists may change.
  if (refusal.code === 'busy' || refusal.code === 'role') return
  const code = refusal.code === 'duplicate' ? 'ERR_DUPLICATE' : 'ERR_CONFIG'
  throw new AnnulusError(code, `${address} refused this peer: ${refusal.reason}`)
}

/**
 * Shows itself to some of the others before it serves: one of them may know of another process that runs as
 * this peer, and refuses it then, which ends this life. Who does not answer in time is not waited for.
 */
export async function greetOthers(
  components: MeetingComponents,
  init: { readonly others: readonly MemberId[]; readonly signal: CancelSignal }
): Promise<void> {
  const { calls, log } = components
  const greeted = init.others
    .slice(0, maxGreeted)
    .map(other =>
      calls.call(
        other,
        { fetchLog: { after: log.epoch } },
        { timeoutMs: greetTimeoutMs, signal: init.signal }
      )
    )
  await Promise.allSettled(greeted)
  init.signal.throwIfAborted()
}

/**
 * Says so where a peer that is in a cluster was told to join another one: it stays where it is. Only addresses that
 * none of the others is known to have are tried, each once.
 */
export async function tellOfStrangers(
  { transport, logger }: MeetingComponents,
  init: {
    readonly addresses: readonly string[]
    readonly others: readonly MemberId[]
    readonly signal: CancelSignal
  }
): Promise<void> {
  const known = [transport.peerId, ...init.others.map(({ peerId }) => peerId)].flatMap(peerId =>
    transport.addresses.multiaddrs(peerId)
  )
  const isKnown = (address: string): boolean =>
    known.some(other => other === address || other.startsWith(`${address}/`))
  for (const address of init.addresses.filter(each => !isKnown(each))) {
    try {
      await transport.connect(address, { timeoutMs: connectTimeoutMs, signal: init.signal })
    } catch (error) {
      if (init.signal.aborted) return
      const refusal = error instanceof TransportError ? error.refusal : undefined
      if (refusal?.code !== 'cluster' && refusal?.code !== 'network') continue
      logger.warn('stays in its own cluster: an address to join is of another one', {
        address,
        reason: refusal.reason
      })
    }
  }
}

/**
 * Learns from some of those it is connected to where the others listen and how they are, so that it can reach
 * them even if the one that it joined through is lost before its pings have told.
 */
export async function askAround(
  components: MeetingComponents,
  init: { readonly liveness: Pick<Liveness, 'hear'>; readonly signal: CancelSignal }
): Promise<void> {
  const { transport, calls, logger } = components
  const options = { timeoutMs: connectTimeoutMs, signal: init.signal }
  const peers = transport.remotes().filter(({ role }) => role === 'peer')
  const asked = peers.slice(0, maxAsked).map(async remote => {
    const { addresses } = await calls.call(remote, { listAddresses: {} }, options)
    for (const record of addresses?.addresses ?? []) await transport.addresses.learn(record)
    init.liveness.hear(addresses?.rumours ?? [])
  })
  for (const outcome of await Promise.allSettled(asked)) {
    if (outcome.status === 'rejected')
      logger.debug('could not ask where the others are', { error: String(outcome.reason) })
  }
  init.signal.throwIfAborted()
}

/**
 * For as long as the signal allows: whenever no other peer can be reached at the addresses known for it, tries
 * all that this peer was ever given, so that peers whose addresses have all changed find each other.
 */
export async function keepInTouch(
  components: MeetingComponents,
  init: {
    readonly addresses: () => readonly string[]
    readonly others: () => readonly MemberId[]
    /** One of them knows of another process that runs as this peer. */
    readonly onDuplicate: (reason: string) => void
    readonly signal: CancelSignal
  }
): Promise<void> {
  const { transport, clock, random, logger } = components
  const isAlone = (): boolean => !transport.remotes().some((remote: Remote) => remote.role === 'peer')
  while (await hasSlept(clock, lastPauseMs * (0.75 + random.float() / 2), init.signal)) {
    if (init.others().length === 0 || !isAlone()) continue
    for (const address of init.addresses()) {
      try {
        const outcome = await fetchLog(components, address, init)
        logger.debug('is alone, and tries an address', { address, outcome })
      } catch (error) {
        if (init.signal.aborted) return
        // Someone else may listen there by now: that ends nothing, but a duplicate does.
        logger.warn('is alone, and was refused', { address, error: String(error) })
        if (error instanceof AnnulusError && error.code === 'ERR_DUPLICATE') init.onDuplicate(error.message)
      }
    }
  }
}

/** Resolves after a pause; with false as soon as the signal aborts. */
async function hasSlept(clock: Clock, ms: number, signal: CancelSignal): Promise<boolean> {
  return sleep(clock, ms, signal).then(
    () => true,
    () => false
  )
}
