/**
 * The log of the topology on this peer: takes in what was decided, in order, durably first, and tells who
 * listens. Everything that needs to know who is on the ring reads `current`.
 *
 * On disk lie the newest topology and the latest entries, which are kept only to bring others up to date.
 */
import type { LogSlice } from '../../wire/generated/messages.ts'
import type { MemberId } from '../member.ts'
import type { Logger, MetaChange, Store } from '../ports.ts'
import { entryFromWire, sameEntry, topologyFromWire, topologyToWire } from './codec.ts'
import { applyEntry, checkEntry, restoreEntry, type Entry, type Found } from './entry.ts'
import { kept, keptFromBytes, type KeptEntry } from './kept-entry.ts'
import { Serial } from './serial.ts'
import { encodingOf, outcomeOf, sharedTopology, topologyFromBytes } from './shared-topologies.ts'
import type { Topology } from './topology.ts'

/** The part of the store that the log and the acceptor use. */
export type MetaStore = Pick<Store, 'readMeta' | 'listMeta' | 'writeMeta'>

/** Prefix of the names of all metadata that is the log's. */
export const logMetaPrefix = 'log/'

const topologyName = `${logMetaPrefix}topology`
const entryPrefix = `${logMetaPrefix}entry/`

/** Entries kept for others to catch up with; who is further behind gets the whole topology. */
const maxKeptEntries = 256

/** Entries in one slice: beyond so many, the topology is the shorter way. */
const maxSliceEntries = 32

/** Bytes of entries in one slice, for the same reason: a topology of 1,000 members has some 90 KB. */
const maxSliceBytes = 128 * 1024

/** Hex digits of an epoch in a name, so that names are in the order of their epochs. */
const epochDigits = 13

/** What is on disk is not what was written: the peer must join anew, with a new life. */
export class LogDamagedError extends Error {
  override readonly name = 'LogDamagedError'
}

/** What came in is not, or not of, this cluster's log. */
export class LogConflictError extends Error {
  override readonly name = 'LogConflictError'
}

export interface TopologyLogComponents {
  readonly store: MetaStore
  readonly logger: Logger
}

/** Is told of each step forward, after it is on disk; steps taken at once are told of as one. */
export type TopologyListener = (topology: Topology, previous: Topology | undefined) => void

/** What a slice brings: where it leads, and the entries on the way from where we were, or from a snapshot. */
interface Step {
  readonly topology: Topology
  readonly entries: readonly KeptEntry[]
  readonly isSnapshot: boolean
}

export class TopologyLog {
  readonly #store: MetaStore
  readonly #logger: Logger
  readonly #listeners = new Set<TopologyListener>()
  readonly #serial = new Serial()
  #current: Topology | undefined
  /** The latest entries without a gap, up to the current epoch. */
  #kept: KeptEntry[] = []
  #hasEnded = false

  constructor({ store, logger }: TopologyLogComponents) {
    this.#store = store
    this.#logger = logger
  }

  /** What the log says on this peer's disk; undefined while it knows of no cluster. */
  get current(): Topology | undefined {
    return this.#current
  }

  /** The newest epoch on this peer's disk; 0 for none. */
  get epoch(): number {
    return this.#current?.epoch ?? 0
  }

  /** Reads what is on disk. Throws LogDamagedError. */
  async load(): Promise<void> {
    const encoded = await this.#store.readMeta(topologyName)
    const entries = await this.#store.listMeta(entryPrefix)
    if (encoded === undefined) {
      if (entries.length > 0) throw new LogDamagedError('the topology on disk is gone')
      return
    }
    try {
      this.#current = topologyFromBytes(encoded)
      this.#kept = entries.map(([, bytes]) => keptFromBytes(bytes))
    } catch (error) {
      throw new LogDamagedError(`the topology on disk does not decode: ${String(error)}`, { cause: error })
    }
    const first = this.epoch - this.#kept.length + 1
    if (this.#kept.some(({ entry }, i) => entry.epoch !== first + i)) {
      throw new LogDamagedError('the entries on disk do not lead to the topology on disk')
    }
  }

  /** Begins a cluster with this one member. Throws LogConflictError where there is one already. */
  found(found: Omit<Found, 'kind' | 'epoch'>): Promise<void> {
    return this.#serial.run(async () => {
      if (this.#current !== undefined) throw new LogConflictError('this peer is in a cluster already')
      const entry: Entry = { kind: 'found', epoch: 1, ...found }
      await this.#advance({
        topology: sharedTopology(applyEntry(undefined, entry)),
        entries: [kept(entry)],
        isSnapshot: false
      })
    })
  }

  /**
   * The last resort when a majority of the acceptors is lost for good: declares, without agreement, which
   * members are left. Everybody else learns of it from this peer and follows, as its generation is higher. `draw`:
   * see restoreEntry. Throws LogConflictError where a survivor is not on the ring.
   */
  restore(survivors: readonly MemberId[], draw = 0): Promise<void> {
    return this.#serial.run(async () => {
      if (this.#current === undefined) throw new LogConflictError('this peer is in no cluster')
      const entry = restoreEntry(this.#current, survivors, draw)
      const reason = checkEntry(this.#current, entry)
      if (reason !== undefined) throw new LogConflictError(`cannot restore: ${reason}`)
      // As a snapshot: who comes from an epoch that is not ours would make something else of the entry.
      const topology = sharedTopology(applyEntry(this.#current, entry))
      await this.#advance({ topology, entries: [], isSnapshot: true })
    })
  }

  /**
   * Takes in entries or a snapshot, in whatever order and however often they come; what does not follow on
   * what is known waits until it is sent again. Resolves when what could be taken in is on disk. Throws
   * MalformedError or LogConflictError, having taken in nothing, and StoreError.
   */
  learn(slice: LogSlice): Promise<void> {
    return this.#serial.run(async () => {
      if (this.#hasEnded) return
      const step = this.#stepOf(slice)
      if (step !== undefined) await this.#advance(step)
    })
  }

  /**
   * Ends with the life of the peer whose log it is: from now on it knows nothing and takes nothing in. What is
   * still under way of that life then writes nothing into the store of the next one, and casts no vote.
   */
  end(): Promise<void> {
    return this.#serial.run(() => {
      this.#hasEnded = true
      this.#current = undefined
      this.#kept = []
      return Promise.resolve()
    })
  }

  /** What someone at this epoch lacks: entries, or the whole topology; undefined where it lacks nothing. */
  sliceAfter(epoch: number): LogSlice | undefined {
    if (this.#current === undefined || epoch >= this.epoch) return undefined
    const count = this.epoch - epoch
    const entries = count > Math.min(maxSliceEntries, this.#kept.length) ? [] : this.#kept.slice(-count)
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes.length, 0)
    if (entries.length === 0 || bytes > maxSliceBytes) {
      return { entries: [], snapshot: topologyToWire(this.#current) }
    }
    return { entries: entries.map(({ wire }) => wire) }
  }

  /** The entry that was decided for an epoch, where it is still kept. */
  entryAt(epoch: number): Entry | undefined {
    return epoch > this.epoch ? undefined : this.#kept.at(epoch - this.epoch - 1)?.entry
  }

  /** Returns what ends the listening. */
  onChange(listener: TopologyListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #stepOf(slice: LogSlice): Step | undefined {
    let topology = this.#current
    let isSnapshot = false
    const entries: KeptEntry[] = []
    if (slice.snapshot !== undefined) {
      const snapshot = sharedTopology(topologyFromWire(slice.snapshot))
      this.#ensureSameCluster(snapshot.clusterId)
      isSnapshot = supersedes(snapshot, topology)
      if (isSnapshot) topology = snapshot
    }
    for (const entry of slice.entries.map(entryFromWire).sort((a, b) => a.epoch - b.epoch)) {
      if (entry.kind === 'found') this.#ensureSameCluster(entry.clusterId)
      const epoch: number = topology?.epoch ?? 0
      if (entry.epoch <= epoch) this.#ensureAgrees(entry)
      if (entry.epoch !== epoch + 1) continue
      const next = kept(entry)
      const outcome = outcomeOf(topology, next)
      if (typeof outcome === 'string') throw new LogConflictError(`an entry may not follow: ${outcome}`)
      topology = outcome
      entries.push(next)
    }
    return topology === undefined || topology === this.#current
      ? undefined
      : { topology, entries, isSnapshot }
  }

  async #advance({ topology, entries, isSnapshot }: Step): Promise<void> {
    const previous = this.#current
    const all = isSnapshot ? [...entries] : [...this.#kept, ...entries]
    const keep = all.slice(-maxKeptEntries)
    const forgotten = isSnapshot ? this.#kept : all.slice(0, -maxKeptEntries)
    const changes: MetaChange[] = [
      [topologyName, encodingOf(topology)],
      ...forgotten.map(({ entry }): MetaChange => [entryName(entry.epoch), undefined]),
      ...keep
        .filter(item => entries.includes(item))
        .map(({ entry, bytes }): MetaChange => [entryName(entry.epoch), bytes])
    ]
    // Durable first: whoever reads `current` may answer in its epoch at once.
    await this.#store.writeMeta(changes)
    this.#current = topology
    this.#kept = keep
    this.#logger.debug('the log moved', {
      epoch: topology.epoch,
      from: previous?.epoch ?? 0,
      entries: entries.length,
      isSnapshot
    })
    for (const listener of [...this.#listeners]) {
      try {
        listener(topology, previous)
      } catch (error) {
        this.#logger.error('a listener of the log failed', { error: String(error) })
      }
    }
  }

  #ensureSameCluster(clusterId: string): void {
    const own = this.#current?.clusterId
    if (own === undefined || own === clusterId) return
    throw new LogConflictError(`this peer is of cluster ${own}, what came in is of cluster ${clusterId}`)
  }

  /** Two entries for one epoch would mean that agreement failed: nothing must be built on that. */
  #ensureAgrees(entry: Entry): void {
    const own = this.entryAt(entry.epoch)
    // Nearly always it is the very one: an answer to each of several requests brought it.
    if (own === undefined || own === kept(entry).entry || sameEntry(own, entry)) return
    throw new LogConflictError(`another entry than ours came in for epoch ${entry.epoch}`)
  }
}

/** Whether a snapshot says more than what is known: a restore counts above all that was agreed on before it. */
function supersedes(snapshot: Topology, current: Topology | undefined): boolean {
  if (current === undefined) return true
  if (snapshot.generation !== current.generation) return snapshot.generation > current.generation
  return snapshot.epoch > current.epoch
}

function entryName(epoch: number): string {
  return `${entryPrefix}${epoch.toString(16).padStart(epochDigits, '0')}`
}
