/**
 * Counting what lies in ranges of the ring, a bounded part at a time: what is asked and answered, in one store and
 * on the wire. Measurer answers such questions, a plan asks them until all of its ranges are gone through.
 */
import type { MeasureRanges, RangesMeasured } from '../../wire/generated/messages.ts'
import { checkedPosition, fromWireRanges } from '../movement/wire.ts'
import { ServeError, type Store } from '../ports.ts'
import type { Range } from '../ring/range.ts'

/** Heads that one answer goes through: some 16 ms of a peer's time, so that it delays no get for long. */
export const headsPerAnswer = 1_024

export interface Amount {
  readonly records: number
  /** Of those records as encoded. */
  readonly bytes: number
}

export interface Question {
  /** At most `maxRangesPerRequest` of them. */
  readonly ranges: readonly Range[]
  /** Position in the first range after which to begin; undefined: at its start. */
  readonly after: Uint8Array | undefined
}

/** The answer to a part of a question. */
export interface Measured {
  /** Of each range gone through, in the order asked: at least the first. */
  readonly amounts: readonly Amount[]
  /** Up to where the last of these was gone through; undefined: to its end. */
  readonly after: Uint8Array | undefined
}

/** Answers a question at an epoch; throws EpochMovedError where that is over. */
export type Measure = (question: Question, epoch: number) => Promise<Measured>

/** What one store holds; what is damaged there does not count. */
export async function measureStore(store: Store, { ranges, after }: Question): Promise<Measured> {
  const amounts: Amount[] = []
  let left = headsPerAnswer
  for (const [i, range] of ranges.entries()) {
    const from = i === 0 && after !== undefined ? { after } : {}
    const heads = await store.heads(range, { limit: left, ...from })
    amounts.push({ records: heads.length, bytes: heads.reduce((bytes, { size }) => bytes + size, 0) })
    left -= heads.length
    const last = heads.at(-1)
    if (left === 0 && last !== undefined) return { amounts, after: last.position }
  }
  return { amounts, after: undefined }
}

/**
 * Asks until all ranges are gone through: the amount in each of them. `onProgress` is told how many are done after
 * each answer.
 */
export async function measureAll(
  ask: (question: Question) => Promise<Measured>,
  ranges: readonly Range[],
  { perQuestion, onProgress }: { perQuestion: number; onProgress: (done: number) => void }
): Promise<Amount[]> {
  const totals = ranges.map(() => ({ records: 0, bytes: 0 }))
  let after: Uint8Array | undefined
  for (let done = 0; done < ranges.length;) {
    const measured = await ask({ ranges: ranges.slice(done, done + perQuestion), after })
    for (const [i, { records, bytes }] of measured.amounts.entries()) {
      const total = totals[done + i]!
      total.records += records
      total.bytes += bytes
    }
    after = measured.after
    done += measured.amounts.length - (after === undefined ? 0 : 1)
    onProgress(done)
  }
  return totals
}

/** `cluster`: whether to ask the replicas rather than the store of whoever is asked. */
export function toMeasureRanges({ ranges, after }: Question, cluster: boolean): MeasureRanges {
  return { ranges: [...ranges], after: after ?? new Uint8Array(), cluster }
}

/** Throws ServeError. */
export function fromMeasureRanges(message: MeasureRanges): Question {
  const ranges = fromWireRanges(message.ranges)
  if (ranges.length === 0) throw new ServeError('bad-request', 'no range is to be measured')
  return { ranges, after: message.after.length === 0 ? undefined : checkedPosition(message.after) }
}

export function toRangesMeasured({ amounts, after }: Measured): RangesMeasured {
  return { amounts: [...amounts], after: after ?? new Uint8Array() }
}

/** Undefined where the answer is none to this question. */
export function fromRangesMeasured(
  answer: RangesMeasured | undefined,
  { ranges }: Question
): Measured | undefined {
  if (answer === undefined) return undefined
  const { amounts, after } = answer
  if (amounts.length === 0 || amounts.length > ranges.length) return undefined
  if (after.length !== 0 && after.length !== 32) return undefined
  return { amounts, after: after.length === 0 ? undefined : after }
}
