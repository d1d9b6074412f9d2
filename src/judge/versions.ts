/**
 * G4 by versions, and G6 as far as expiry goes. Takes the versions as the order of a key's operations, writes
 * before the gets of what they wrote, and asks whether that order explains what was seen: linear in the history,
 * so it judges every key whatever happened to it. What it accepts is linearizable.
 *
 * 1. A version has one write, and a get returns what the write of its version wrote, which was called before the
 *    get was over.
 * 2. An operation that is called after another was answered comes after it: its version is newer, or, for a get,
 *    no older.
 * 3. Of a write whose outcome is not known the version is not known either, until a get shows it: by the value,
 *    or, where a get finds nothing at a version of nobody else's, by the one write that it can have been.
 * 4. Expiry: a coordinator decides by its own clock at the moment of its answer, and stamps the expiry by its own
 *    clock at the moment of the call. Both are written down by the peer that coordinates, whatever its skew, so
 *    a get finds nothing at the version of a put exactly when the put's `expiresAt` has come by `judgedAt`: no
 *    slack is needed. Two coordinators whose clocks differ may disagree about one record; versions, and so the
 *    order, are not touched by that. An embedded client may have had a peer coordinate, by whose clock nobody
 *    can tell: its gets (`judgedAt` undefined) may find an expiring record or not.
 * 5. A get that found nothing and names no version (an embedded client's: the public interface has no version for
 *    what is not there) is explained by the oldest state that can have shown nothing and is not older than what
 *    was answered before its call: the empty register, a delete, an expired put, or a write of unknown outcome.
 *    The oldest binds what comes after it the least, so it accuses nobody wrongly.
 */
import { ms, type Operation, type Violation } from './operation.ts'

type Complain = (what: string, guarantee?: 'G4' | 'G6') => void

/** A place in the order: just at a version, or between it and the next one. */
interface Place {
  readonly version: string
  readonly isBehind: boolean
  /** Who was answered so. */
  readonly by: Operation
}

export function checkVersions(key: string, operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = []
  const complain: Complain = (what, guarantee = 'G4') =>
    void violations.push({ guarantee, what, subject: key })
  const writes = writesByVersion(operations, complain)
  const vanished = matchVanished(operations, writes)
  const all = new Map([...writes, ...vanished])
  for (const get of operations) if (isAnswered(get) && get.kind === 'get') checkGet(get, all, complain)
  // Another match may exist as well: nobody is accused by the place that this one gives to a write.
  checkRealTime(operations, writes, complain)
  return violations
}

/** The write of each version that anybody told of. */
function writesByVersion(operations: readonly Operation[], complain: Complain): Map<string, Operation> {
  const writes = new Map<string, Operation>()
  const claim = (version: string, write: Operation): void => {
    const other = writes.get(version)
    if (other !== undefined && other !== write)
      complain(`two writes have the version ${version}: ${nameOf(other)} and ${nameOf(write)}`)
    writes.set(version, write)
  }
  const unknown = new Map<string, Operation>()
  for (const operation of operations) {
    if (operation.kind === 'get') continue
    if (isAnswered(operation) && operation.version !== undefined) claim(operation.version, operation)
    if (operation.outcome === 'unknown' && operation.value !== undefined)
      unknown.set(operation.value, operation)
  }
  for (const { kind, outcome, value, version } of operations) {
    if (kind !== 'get' || outcome !== 'ok' || value === undefined || version === undefined) continue
    const write = unknown.get(value)
    if (write !== undefined) claim(version, write)
  }
  return writes
}

/** Rule 3, where a get found nothing: each version of nobody's goes to a write of unknown outcome of its own. */
function matchVanished(
  operations: readonly Operation[],
  writes: ReadonlyMap<string, Operation>
): Map<string, Operation> {
  const seen = new Map<string, Operation[]>()
  for (const get of operations) {
    if (get.kind !== 'get' || !isAnswered(get) || get.value !== undefined) continue
    if (get.version === undefined || writes.has(get.version)) continue
    seen.set(get.version, [...(seen.get(get.version) ?? []), get])
  }
  if (seen.size === 0) return new Map()
  const taken = new Set(writes.values())
  const mayVanish = operations.filter(
    write => write.outcome === 'unknown' && isVanishing(write) && !taken.has(write)
  )
  const explains = (write: Operation, version: string, gets: readonly Operation[]): boolean =>
    gets.every(get => write.calledAt <= get.endedAt && readsAsNothing(write, get.judgedAt)) &&
    isAfterAll(operations, write.calledAt, version)
  const candidates = [...seen].map(([version, gets]) => {
    return [version, mayVanish.filter(write => explains(write, version, gets))] as const
  })
  return matching(new Map(candidates))
}

/** Whether all that was answered before `calledAt` is older than `version`. */
function isAfterAll(operations: readonly Operation[], calledAt: number, version: string): boolean {
  return operations.every(
    other =>
      !isAnswered(other) ||
      other.version === undefined ||
      other.endedAt >= calledAt ||
      other.version < version
  )
}

/** A largest matching, by augmenting paths (Kuhn 1955). */
function matching<K, V>(candidates: ReadonlyMap<K, readonly V[]>): Map<K, V> {
  const owner = new Map<V, K>()
  const place = (key: K, visited: Set<V>): boolean => {
    for (const value of candidates.get(key) ?? []) {
      if (visited.has(value)) continue
      visited.add(value)
      const other = owner.get(value)
      if (other !== undefined && !place(other, visited)) continue
      owner.set(value, key)
      return true
    }
    return false
  }
  for (const key of candidates.keys()) place(key, new Set())
  return new Map([...owner].map(([value, key]) => [key, value]))
}

/** Rules 1 and 4 for one get. */
function checkGet(get: Operation, writes: ReadonlyMap<string, Operation>, complain: Complain): void {
  const { value, version, endedAt, judgedAt } = get
  if (version === undefined) return
  const write = writes.get(version)
  const found = `a get through ${get.asked} at ${ms(endedAt)} found ${value ?? 'nothing'} at the version ${version}`
  if (write === undefined) complain(`${found}, which nobody wrote`)
  else if (write.calledAt > endedAt) complain(`${found}, before that was written`)
  else if (value === undefined) {
    if (readsAsNothing(write, judgedAt)) return
    complain(`${found}, which is that of ${nameOf(write)}, and that has not expired`)
  } else if (write.value !== value) complain(`${found}, which is that of ${nameOf(write)}`)
  else if (hasExpired(write, judgedAt) === true) {
    complain(`${found}, which had expired ${judgedAt! - write.expiresAt!} ms before by the same clock`, 'G6')
  }
}

/** Whether a get that is judged at this time may find nothing where this write is the newest. */
function readsAsNothing(write: Operation, judgedAt: number | undefined): boolean {
  return write.kind === 'delete' || hasExpired(write, judgedAt) !== false
}

/** Undefined where nobody can tell. */
function hasExpired({ expiresAt }: Operation, judgedAt: number | undefined): boolean | undefined {
  if (expiresAt === undefined) return false
  return judgedAt === undefined ? undefined : expiresAt <= judgedAt
}

/**
 * Rule 2. Goes through the calls in the order of time, with the newest that was answered so far as the floor. A
 * write of unknown outcome has no answer to bind others by, but must not come below its own floor.
 */
function checkRealTime(
  operations: readonly Operation[],
  writes: ReadonlyMap<string, Operation>,
  complain: Complain
): void {
  const versionOf = new Map([...writes].map(([version, write]) => [write, version]))
  const placed = new Map<Operation, Place>()
  const answered = operations.filter(isAnswered)
  const byEnd = answered.toSorted((a, b) => a.endedAt - b.endedAt)
  const calls = operations.filter(operation => isAnswered(operation) || versionOf.has(operation))
  let floor: Place | undefined
  let ended = 0
  for (const operation of calls.toSorted((a, b) => a.calledAt - b.calledAt)) {
    for (; ended < byEnd.length && byEnd[ended]!.endedAt < operation.calledAt; ended++) {
      // Whatever ended before this call was called before it too, and so has its place already.
      const place = placed.get(byEnd[ended]!)
      if (place !== undefined && (floor === undefined || comparePlaces(place, floor) > 0)) floor = place
    }
    const version = operation.version ?? versionOf.get(operation)
    const place =
      version === undefined
        ? placeOfAbsence(operation, floor, operations, versionOf, complain)
        : { version, isBehind: false, by: operation }
    if (place === undefined) continue
    placed.set(operation, place)
    if (floor === undefined || version === undefined) continue
    const order = comparePlaces(place, floor)
    if (order < 0 || (order === 0 && operation.kind !== 'get')) complain(tooOld(operation, version, floor))
  }
}

function tooOld({ kind, asked, calledAt }: Operation, version: string, { by, ...floor }: Place): string {
  const earlier = floor.isBehind ? `had found it gone after ${floor.version}` : `had ${floor.version} already`
  return (
    `a ${kind} through ${asked} called at ${ms(calledAt)} has the version ${version}, ` +
    `but a ${by.kind} through ${by.asked} answered at ${ms(by.endedAt)} ${earlier}`
  )
}

/** Rule 5: the oldest place at or above the floor at which this get can have found nothing. */
function placeOfAbsence(
  get: Operation,
  floor: Place | undefined,
  operations: readonly Operation[],
  versionOf: ReadonlyMap<Operation, string>,
  complain: Complain
): Place | undefined {
  if (get.kind !== 'get' || get.value !== undefined || floor === undefined) return undefined
  // What another get found gone is gone here, too.
  if (floor.by.kind === 'get' && floor.by.value === undefined) return { ...floor, by: get }
  let oldest: Place | undefined
  for (const write of operations) {
    if (write.outcome === 'refused' || write.calledAt > get.endedAt) continue
    if (write.kind === 'get' || !readsAsNothing(write, get.judgedAt)) continue
    const version = versionOf.get(write)
    // Nobody knows where it took effect, if it did: it may be just here.
    const place =
      version === undefined
        ? { version: floor.version, isBehind: true, by: get }
        : { version, isBehind: false, by: get }
    if (comparePlaces(place, floor) < 0) continue
    if (oldest === undefined || comparePlaces(place, oldest) < 0) oldest = place
  }
  if (oldest !== undefined) return oldest
  const { by } = floor
  complain(
    `a get through ${get.asked} called at ${ms(get.calledAt)} found nothing, but a ${by.kind} through ${by.asked} ` +
      `answered at ${ms(by.endedAt)} had ${floor.version} already, and nothing that could be newer takes it away`
  )
  return undefined
}

/** Versions are compared as text: their times differ in digits only after the year 2286. */
function comparePlaces(a: Place, b: Place): number {
  if (a.version !== b.version) return a.version < b.version ? -1 : 1
  return Number(a.isBehind) - Number(b.isBehind)
}

function isAnswered({ outcome }: Operation): boolean {
  return outcome === 'ok'
}

/** Whether a get can find nothing where this write is the newest. */
function isVanishing({ kind, expiresAt }: Operation): boolean {
  return kind === 'delete' || (kind === 'put' && expiresAt !== undefined)
}

function nameOf({ kind, value, calledAt }: Operation): string {
  return kind === 'put' ? `the put of ${value}` : `the ${kind} called at ${ms(calledAt)}`
}
