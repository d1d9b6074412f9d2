/** The load of the checks that change a cluster under load: real clients, and what is said of what they saw. */
import type { Client } from '../../src/api.ts'
import { until, type PeerProcess } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import { describeFailures, Load, type LoadInit } from './load.ts'
import { expect, seen } from './report.ts'

const clientCount = 4

/** Few enough that each is written by several clients, many enough that all peers are asked. */
export const loadKeys = 60

/** From when on it is told that a peer was slow to answer a new client, in ms: a dial and a try more. */
const slowAnswerMs = 3_000

/** How many violations are told, at the most. */
const mostTold = 5

export interface UnderLoadInit extends Pick<LoadInit, 'retries'> {
  /** Operations may end with an unknown outcome: whoever carries them out is killed. Default false. */
  readonly mayStayOpen?: boolean
}

/**
 * Has clients put and get while `work` is done, which gives the peers that are there at its end. Every key is read
 * through each of these, and what all the clients saw must be linearizable, with no operation failed after so many
 * tries more of what surely had no effect.
 */
export async function underLoad(
  peers: readonly PeerProcess[],
  { retries, mayStayOpen = false }: UnderLoadInit,
  work: (observed: ObservedLoad) => Promise<readonly PeerProcess[]>
): Promise<void> {
  const clients = await connect(peers)
  const load = new Load(clients, { keys: loadKeys, lanes: 3, pauseMs: 50, retries })
  const observed = new ObservedLoad(load, mayStayOpen)
  try {
    await load.fill()
    load.start()
    const left = await work(observed)
    await load.stop()
    for (const peer of left) await observed.readAllThrough(peer)
    observed.expectNoFailure()
    expectOrder(load)
  } finally {
    await load.stop()
    await Promise.all(clients.map(client => client.close()))
  }
}

/** Clients that know all peers, and each has another one to ask first. */
function connect(peers: readonly PeerProcess[]): Promise<Client[]> {
  const addresses = peers.map(({ address }) => address)
  const rotated = (by: number): string[] => [...addresses.slice(by), ...addresses.slice(0, by)]
  return Promise.all(Array.from({ length: clientCount }, (_, i) => createClient({ peers: rotated(i) })))
}

/** A client of one peer, which may be slow to answer while another one is killed or starts. */
async function connectTo(address: string): Promise<Client> {
  let client: Client | undefined
  const tookMs = await until(`an answer from ${address}`, async () => {
    client = await createClient({ peers: [address], mode: 'forward' }).catch(() => undefined)
    return client !== undefined
  })
  if (tookMs > slowAnswerMs) seen(`  ${address} answered after ${tookMs.toFixed(0)} ms only`)
  return client!
}

function expectOrder(load: Load): void {
  const violations = load.judge()
  const told = violations
    .slice(0, mostTold)
    .map(({ guarantee, subject, what }) => `\n  ${guarantee} ${subject}: ${what}`)
  expect(
    violations.length === 0,
    `what the clients saw is in order; ${violations.length} times it is not: ${told.join('')}`
  )
  seen(`  ${load.history.ended.length} operations are linearizable`)
}

/** A load that is looked at from time to time. */
export class ObservedLoad {
  readonly #load: Load
  readonly #mayStayOpen: boolean
  /** How many operations were over, and tried again, when last something was said of them. */
  #told = { ended: 0, retried: 0 }

  constructor(load: Load, mayStayOpen: boolean) {
    this.#load = load
    this.#mayStayOpen = mayStayOpen
  }

  /** Reads every key as this peer answers it. What it says is judged with all the rest. */
  async readAllThrough({ address }: PeerProcess): Promise<void> {
    const client = await connectTo(address)
    await this.#load.readAll(client, `the peer at ${address}`).finally(() => client.close())
  }

  /** Throws where an operation has failed; says what there was since it last said so. */
  expectNoFailure(): void {
    const { history, retried } = this.#load
    const all = this.#load.failed
    const failed = this.#mayStayOpen ? all.filter(({ outcome }) => outcome !== 'unknown') : all
    expect(failed.length === 0, `no operation fails; ${failed.length} did: ${describeFailures(failed)}`)
    const since = history.ended.slice(this.#told.ended)
    const slowestMs = since.reduce(
      (slowest, { calledAt, endedAt }) => Math.max(slowest, endedAt - calledAt),
      0
    )
    const again = retried - this.#told.retried
    this.#told = { ended: history.ended.length, retried }
    seen(
      `  ${since.length} operations meanwhile, none failed, ${all.length} open so far, ${again} tried again, slowest ${slowestMs.toFixed(0)} ms`
    )
  }
}
