/**
 * The load of a run: operations drawn before it begins, and the clients that carry them out. Clients are open
 * loops with one operation at a time each: an operation begins at its time, or when the one before it is over.
 */
import type { ClientCore } from '../../../src/core/client.ts'
import { formatVersion } from '../../../src/core/record/version.ts'
import type { SimulatedCluster, SimulatedPeer } from '../cluster.ts'
import type { SeededRandom } from '../random.ts'
import type { Answer, Call, History, Operation } from './history.ts'
import type { OperationStep } from './script.ts'
import type { SimulationSettings } from './settings.ts'

/** How long an operation may take, in ms. */
export const deadlineMs = 4_000

/** Every so many-th client is an embedded one, which coordinates for itself; the others ask peers. */
const embeddedEvery = 4

/** Every so many-th client, an embedded one, asks so many times more seldom: it is behind by an epoch or several. */
const seldomEvery = 8
const seldomFactor = 10

/** Share of the puts that expire, and the bounds of their time to live, in ms: most of them within the run. */
const ttlShare = 0.15
const [leastTtlMs, mostTtlMs] = [300, 120_000]

/** One value in so many is up to the largest; most are small, as small ones find as much and cost less. */
const largeValueEvery = 8
const smallValueBytes = 64

/** How late a client may begin an operation, in virtual ms: one on slow links that is further behind leaves out the rest. */
const longestLagMs = 600_000

export function isEmbedded(client: number): boolean {
  return client % embeddedEvery === embeddedEvery - 1
}

/** All operations of a run, in the order of their times; each client's from a stream of its own. */
export function drawOperations(settings: SimulationSettings, random: SeededRandom): OperationStep[] {
  const clients = Array.from({ length: settings.clients }, (_, client) => random.fork(`client ${client}`))
  const steps = clients.flatMap((own, client) => drawClient(settings, own, client))
  return steps.sort((a, b) => a.atMs - b.atMs || a.client - b.client)
}

function drawClient(settings: SimulationSettings, random: SeededRandom, client: number): OperationStep[] {
  const isSeldom = client % seldomEvery === seldomEvery - 1
  const usualPauseMs = (1_000 * settings.clients) / settings.operationsPerSecond
  const meanPauseMs = usualPauseMs * (isSeldom ? seldomFactor : 1)
  const steps: OperationStep[] = []
  for (let atMs = pauseOf(random, meanPauseMs); atMs < settings.minutes * 60_000;) {
    steps.push({ atMs, client, ...drawOperation(settings, random, client) })
    atMs += pauseOf(random, meanPauseMs)
  }
  return steps
}

/** Between the arrivals of a Poisson process. */
function pauseOf(random: SeededRandom, meanMs: number): number {
  return -meanMs * Math.log(1 - random.float())
}

function drawOperation(
  settings: SimulationSettings,
  random: SeededRandom,
  client: number
): Omit<OperationStep, 'atMs' | 'client'> {
  // Squared, so that some keys are hot and most are cold.
  const key = `key ${Math.floor(random.float() ** 2 * settings.keys)}`
  const choice = random.float()
  const most = random.integer(largeValueEvery) === 0 ? settings.maxValueBytes : smallValueBytes
  const valueBytes = random.integer(Math.min(most, settings.maxValueBytes))
  const expires = random.chance(ttlShare)
  const ttlMs = Math.round(leastTtlMs * (mostTtlMs / leastTtlMs) ** random.float())
  const draw = random.float()
  const isPut = choice < settings.putShare
  const kind = isPut ? 'put' : choice < settings.putShare + settings.deleteShare ? 'delete' : 'get'
  return {
    kind,
    key,
    valueBytes: isPut ? valueBytes : 0,
    // A client may have a peer coordinate for it, by whose clock what it puts would expire nobody could tell.
    ttlMs: isPut && expires && !isEmbedded(client) ? ttlMs : undefined,
    draw
  }
}

/** Keys that are put once, before the load, where records will be damaged, and that nobody asks for until all is over. */
export const quietKeys: readonly string[] = Array.from({ length: 24 }, (_, i) => `quiet ${i}`)

const quietValueBytes = 100

/** Up to so many peers all read every key in the end. Keys times peers of a large cluster would take most of a run. */
const mostReaders = 20

export interface WorkloadComponents {
  readonly cluster: SimulatedCluster
  readonly history: History
}

export interface WorkloadInit {
  /** Told of each operation as it begins and as it ends. */
  readonly onCall?: (step: OperationStep) => void
  readonly onEnd?: (step: OperationStep, operation: Operation) => void
}

/** Carries out the operations of a script. */
export class Workload {
  readonly #cluster: SimulatedCluster
  readonly #history: History
  readonly #init: WorkloadInit
  readonly #embedded = new Map<number, ClientCore>()

  constructor({ cluster, history }: WorkloadComponents, init: WorkloadInit = {}) {
    this.#cluster = cluster
    this.#history = history
    this.#init = init
  }

  /** Starts the embedded clients that these operations need. */
  async prepare(steps: readonly OperationStep[]): Promise<void> {
    const wanted = [...new Set(steps.map(({ client }) => client))].filter(isEmbedded).sort((a, b) => a - b)
    for (const client of wanted) this.#embedded.set(client, await this.#cluster.client())
  }

  /** Puts what nobody asks for. */
  async fill(): Promise<void> {
    const put = { kind: 'put', valueBytes: quietValueBytes, ttlMs: undefined } as const
    const [peer] = this.#cluster.running
    await Promise.all(
      quietKeys.map(key => this.#write(peer!, { ...put, key, atMs: 0, client: 0, draw: 0 }, `of ${key}`))
    )
  }

  /** Resolves when all operations are over; `startMs` is when the script's time begins. */
  async run(steps: readonly OperationStep[], startMs: number): Promise<void> {
    const byClient = [...Map.groupBy(steps, ({ client }) => client)]
    await Promise.all(byClient.map(([, own]) => this.#runClient(own, startMs)))
  }

  async close(): Promise<void> {
    for (const client of this.#embedded.values()) await this.#cluster.time.settle(client.close())
  }

  /** Reads every key through every peer that runs; of many, through some, in turn, so that each reads something. */
  async readAll(keys: readonly string[]): Promise<Operation[]> {
    const reads: Operation[] = []
    for (const [turn, key] of keys.entries()) {
      const readers = readersOf(this.#cluster.running, turn, keys.length)
      reads.push(...(await Promise.all(readers.map(peer => this.#read(peer, key)))))
    }
    return reads
  }

  async #runClient(steps: readonly OperationStep[], startMs: number): Promise<void> {
    const { time } = this.#cluster
    for (const [count, step] of steps.entries()) {
      const waitMs = startMs + step.atMs - time.nowMs
      if (waitMs < -longestLagMs) return
      if (waitMs > 0) await new Promise<void>(resolve => time.after(waitMs, resolve))
      // Where nobody runs there is nobody to ask.
      if (this.#cluster.running.length === 0 && !isEmbedded(step.client)) continue
      this.#init.onCall?.(step)
      const operation = await this.#carryOut(step, `${step.client}/${count}`)
      this.#init.onEnd?.(step, operation)
    }
  }

  #carryOut(step: OperationStep, name: string): Promise<Operation> {
    const client = this.#embedded.get(step.client)
    if (client !== undefined) return this.#throughClient(client, step, name)
    const { running } = this.#cluster
    const peer = running[Math.floor(step.draw * running.length)]!
    if (step.kind === 'get') return this.#read(peer, step.key)
    return this.#write(peer, step, name)
  }

  #read(peer: SimulatedPeer, key: string): Promise<Operation> {
    return this.#history.record({ kind: 'get', key, asked: nameOf(peer) }, answer =>
      this.#cluster.ask(peer, async core => {
        const { clock } = peer
        const { record, version } = await core.read(key, { deadline: deadlineMs })
        answer.value = record === undefined ? undefined : nameIn(record.value)
        answer.version = version === undefined ? undefined : formatVersion(version)
        answer.tellsVersions = true
        answer.judgedAt = clock.now()
      })
    )
  }

  #write(
    peer: SimulatedPeer,
    { kind, key, valueBytes, ttlMs }: OperationStep,
    name: string
  ): Promise<Operation> {
    const call: Call = { kind, key, asked: nameOf(peer), value: kind === 'put' ? name : undefined }
    return this.#history.record(call, answer =>
      this.#cluster.ask(peer, async core => {
        if (kind === 'delete') {
          answer.version = (await core.delete(key, { deadline: deadlineMs })).version
          return
        }
        const ttl = ttlMs === undefined ? {} : { ttl: ttlMs }
        // The coordinator reads the same clock at the same moment.
        if (ttlMs !== undefined) answer.expiresAt = peer.clock.now() + ttlMs
        const result = await core.put(key, valueOf(name, valueBytes), { deadline: deadlineMs, ...ttl })
        answer.version = result.version
      })
    )
  }

  #throughClient(client: ClientCore, step: OperationStep, name: string): Promise<Operation> {
    const { kind, key, valueBytes } = step
    const call: Call = { kind, key, asked: `client ${step.client}`, value: kind === 'put' ? name : undefined }
    return this.#history.record(call, async (answer: Answer) => {
      if (kind === 'get') {
        const result = await client.get(key, { deadline: deadlineMs })
        answer.value = result === undefined ? undefined : nameIn(result.value)
        answer.version = result?.version
      } else if (kind === 'put') {
        const result = await client.put(key, valueOf(name, valueBytes), { deadline: deadlineMs })
        answer.version = result.version
      } else answer.version = (await client.delete(key, { deadline: deadlineMs })).version
    })
  }
}

/**
 * Through whom the key whose turn it is, of so many, is read in the end: all peers, up to `mostReaders` of them; of
 * more at least so many, and each of them for one key at least.
 */
export function readersOf<T>(peers: readonly T[], turn: number, keys: number): T[] {
  const count = Math.min(peers.length, Math.max(mostReaders, Math.ceil(peers.length / keys)))
  return Array.from({ length: count }, (_, i) => peers[(turn * count + i) % peers.length]!)
}

export function nameOf({ index }: SimulatedPeer): string {
  return `peer ${index}`
}

/** A value that tells who put it, and is so long. */
function valueOf(name: string, length: number): Uint8Array {
  return new TextEncoder().encode(`${name}|${'.'.repeat(length)}`)
}

function nameIn(value: Uint8Array): string {
  const end = value.indexOf('|'.charCodeAt(0))
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end))
}
