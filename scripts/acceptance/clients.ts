/** The load of the checks that change a cluster under load: real clients, and what is said of what they saw. */
import type { Client } from '../../src/api.ts'
import type { PeerProcess } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import { describeFailures, Load, type LoadInit } from './load.ts'
import { expect, seen } from './report.ts'

const clientCount = 4

/** Few enough that each is written by several clients, many enough that all peers are asked. */
export const loadKeys = 60

/** How many violations are told, at the most. */
const mostTold = 5

/**
 * Has clients put and get while `work` is done, which gives the peers that are there at its end. Every key is read
 * through each of these, and what all the clients saw must be linearizable, with no operation failed after so many
 * tries more of what surely had no effect.
 */
export async function underLoad(
  peers: readonly PeerProcess[],
  { retries }: Pick<LoadInit, 'retries'>,
  work: (observed: ObservedLoad) => Promise<readonly PeerProcess[]>
): Promise<void> {
  const clients = await connect(peers)
  const load = new Load(clients, { keys: loadKeys, lanes: 3, pauseMs: 50, retries })
  const observed = new ObservedLoad(load)
  try {
    await load.fill()
    load.start()
    const left = await work(observed)
    await load.stop()
    await readThrough(left, load)
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

async function readThrough(peers: readonly PeerProcess[], load: Load): Promise<void> {
  for (const { address } of peers) {
    const client = await createClient({ peers: [address], mode: 'forward' })
    await load.readAll(client, `the peer at ${address}`).finally(() => client.close())
  }
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
  /** How many operations were over, and tried again, when last something was said of them. */
  #told = { ended: 0, retried: 0 }

  constructor(load: Load) {
    this.#load = load
  }

  /** Throws where an operation has failed; says what there was since it last said so. */
  expectNoFailure(): void {
    const { history, failed, retried } = this.#load
    expect(failed.length === 0, `no operation fails; ${failed.length} did: ${describeFailures(failed)}`)
    const since = history.ended.slice(this.#told.ended)
    const slowestMs = since.reduce(
      (slowest, { calledAt, endedAt }) => Math.max(slowest, endedAt - calledAt),
      0
    )
    const again = retried - this.#told.retried
    this.#told = { ended: history.ended.length, retried }
    seen(
      `  ${since.length} operations meanwhile, none failed, ${again} tried again, slowest ${slowestMs.toFixed(0)} ms`
    )
  }
}
