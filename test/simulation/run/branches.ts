/**
 * The branches of the protocol that runs must have taken for their verdict to mean something, and where each is
 * seen from: a line that peers log at debug level, a kind of message on the wire, or what the run itself sees.
 * The end table prints them all, and those that were never taken loudly.
 */
import type { Operation } from './history.ts'

export const branches = [
  // gets and puts
  'a get wrote back what it found',
  'a get was answered without a write-back',
  'a replica was asked for a version',
  'a slow replica was asked around',
  'the epoch moved during an operation',
  'an operation began with both rings in force',
  'a put was stored again with the stamp it had',
  'a put ended with its outcome unknown',
  'a damaged record was refused',
  'a peer or coordinator was overloaded',
  'a get found a deleted key',
  'a get found an expired record',
  // the log
  'opened with one change',
  'opened with several changes',
  'amended',
  'closed',
  'purged',
  'a proposal lost to another ballot',
  'caught up by entries',
  'caught up by a snapshot',
  // who answers, and who is there
  'a suspicion was refuted',
  'a ping went by others',
  'went down for the others',
  'came back with the life it had',
  'joined anew with an empty store',
  'left',
  'was removed',
  // movement
  'took its part of a transition',
  'offered records that were foreign',
  'pulled records',
  'damage was found where nobody had read',
  'dropped what was purged',
  'a damaged record was repaired'
] as const
export type Branch = (typeof branches)[number]

export type BranchCounts = Readonly<Record<Branch, number>>

type Fields = Record<string, unknown> | undefined

/** By the message that a peer logs. */
const byLog: Readonly<Record<string, Branch | ((fields: Fields) => Branch | undefined)>> = {
  'a get writes back what it found': 'a get wrote back what it found',
  'asks around a slow replica': 'a slow replica was asked around',
  'the epoch moved during an operation': 'the epoch moved during an operation',
  'stores again with the stamp it has': 'a put was stored again with the stamp it had',
  'a request for a damaged record is refused': 'a damaged record was refused',
  'proposes a log entry': fields => {
    if (fields?.['kind'] === 'amend') return 'amended'
    if (fields?.['kind'] === 'close') return 'closed'
    if (fields?.['kind'] === 'purge') return 'purged'
    if (fields?.['kind'] !== 'open') return undefined
    return Number(fields['changes']) > 1 ? 'opened with several changes' : 'opened with one change'
  },
  'was outvoted': 'a proposal lost to another ballot',
  'the log moved': fields => {
    if (fields?.['isSnapshot'] === true && Number(fields['from']) > 0) return 'caught up by a snapshot'
    return Number(fields?.['entries']) > 1 ? 'caught up by entries' : undefined
  },
  refuted: 'a suspicion was refuted',
  'liveness changed': fields => (fields?.['liveness'] === 'down' ? 'went down for the others' : undefined),
  'comes back with the life it had': 'came back with the life it had',
  'joins anew with an empty store': 'joined anew with an empty store',
  'is no member any more': fields => (fields?.['standing'] === 'left' ? 'left' : 'was removed'),
  'has taken its part of the transition': 'took its part of a transition',
  'has found damaged records on the disk': 'damage was found where nobody had read',
  'has dropped what was purged': 'dropped what was purged',
  'has repaired a damaged record': 'a damaged record was repaired'
}

/**
 * By the number of the body's field in a request (src/wire/messages.proto). Only its tag is read, as all messages
 * of all runs pass here.
 */
const byRequest: Readonly<Record<number, Branch>> = {
  2: 'a replica was asked for a version',
  12: 'a ping went by others',
  14: 'pulled records',
  15: 'offered records that were foreign',
  23: 'pulled records'
}

export class BranchCounter {
  readonly #counts = new Map<Branch, number>()
  /** Versions of puts: a get that finds nothing at one of them finds it expired. */
  readonly #puts = new Set<string>()

  count(branch: Branch, times = 1): void {
    this.#counts.set(branch, (this.#counts.get(branch) ?? 0) + times)
  }

  logged(message: string, fields: Fields): void {
    const branch = Object.hasOwn(byLog, message) ? byLog[message] : undefined
    const found = typeof branch === 'function' ? branch(fields) : branch
    if (found !== undefined) this.count(found)
  }

  sent(body: Uint8Array, kind: 'request' | 'answer'): void {
    if (kind === 'answer') return
    const branch = byRequest[fieldOf(body)]
    if (branch !== undefined) this.count(branch)
  }

  ended(operation: Operation): void {
    const { kind, outcome, errorCode, value, version, tellsVersions } = operation
    if (errorCode === 'ERR_OVERLOADED') this.count('a peer or coordinator was overloaded')
    if (kind !== 'get') {
      if (outcome === 'unknown') this.count('a put ended with its outcome unknown')
      if (kind === 'put' && version !== undefined) this.#puts.add(version)
      return
    }
    if (outcome !== 'ok') return
    this.count('a get was answered without a write-back')
    if (value !== undefined || version === undefined || !tellsVersions) return
    if (this.#puts.has(version)) this.count('a get found an expired record')
    else this.count('a get found a deleted key')
  }

  /** In the order of the list, with zeroes. */
  get counts(): BranchCounts {
    const known = (branch: Branch): number => this.#counts.get(branch) ?? 0
    const counts = Object.fromEntries(branches.map(branch => [branch, known(branch)])) as Record<
      Branch,
      number
    >
    // Every get that wrote back was answered, or failed at it, which is rare enough.
    const quiet = 'a get was answered without a write-back'
    counts[quiet] = Math.max(0, counts[quiet] - counts['a get wrote back what it found'])
    return counts
  }
}

/** The number of the first field behind the epoch, which is field 1 and a varint. */
function fieldOf(body: Uint8Array): number {
  let at = 0
  if (body[0] === 0x08) for (at = 2; body[at - 1]! >= 0x80; at++);
  const low = body[at] ?? 0
  const tag = low < 0x80 ? low : (low & 0x7f) | ((body[at + 1] ?? 0) << 7)
  return tag >> 3
}
