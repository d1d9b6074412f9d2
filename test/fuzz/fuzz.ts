/**
 * Feeds decoders with changed messages. What each message is depends on the seed and its number alone, so that any
 * of them can be made again.
 */
import { getHeapStatistics } from 'node:v8'
import { SeededRandom } from '../simulation/random.ts'
import type { Decoder } from './decoders.ts'
import { mutate } from './mutate.ts'

/** How much memory one message may take while it is read, in bytes: many times the longest that is made. */
const maxGrowthBytes = 64 * 1024 * 1024

export interface FuzzInit {
  readonly seed: number
  /** The number of the first message, and how many there are. */
  readonly first?: number
  readonly messages: number
  /** Told before each message. */
  readonly onMessage?: (number: number, decoder: string) => void
  /** Checked between messages. */
  readonly isOver?: () => boolean
}

export interface FuzzResult {
  readonly messages: number
  /** By decoder: how many were read, and how many refused. */
  readonly counts: ReadonlyMap<string, { read: number; refused: number }>
}

/** A decoder did what it must not; the message says how to see it again. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure'
}

/** Throws FuzzFailure at the first message that does harm. */
export async function fuzz(decoders: readonly Decoder[], init: FuzzInit): Promise<FuzzResult> {
  const { seed, first = 0, messages, onMessage, isOver } = init
  const counts = new Map(decoders.map(({ name }) => [name, { read: 0, refused: 0 }]))
  let number = first
  let before = usedBytes()
  for (; number < first + messages && isOver?.() !== true; number++) {
    const random = new SeededRandom(seed).fork(`message ${number}`)
    const decoder = decoders[number % decoders.length]!
    const bytes = mutate(random, decoder.samples)
    onMessage?.(number, decoder.name)
    const thrown = await tryOne(decoder, bytes, counts.get(decoder.name)!)
    // Once for each message: what the next one is made of is little.
    const after = usedBytes()
    const grown = after - before
    before = after
    const problem = thrown ?? (grown > maxGrowthBytes ? `it took ${(grown / 1e6).toFixed(0)} MB` : undefined)
    if (problem === undefined) continue
    const again = `npm run fuzz -- --seed ${seed} --message ${number}`
    const shown = Buffer.from(bytes.subarray(0, 200)).toString('hex')
    throw new FuzzFailure(
      `${decoder.name}: ${problem}; ${bytes.length} bytes: ${shown}; again with: ${again}`
    )
  }
  return { messages: number - first, counts }
}

/** What it threw that it may not, in words; undefined where that is nothing. */
async function tryOne(
  { decode, errors }: Decoder,
  bytes: Uint8Array,
  count: { read: number; refused: number }
): Promise<string | undefined> {
  try {
    await decode(bytes)
    count.read += 1
  } catch (error) {
    if (!errors.some(kind => error instanceof kind)) {
      return `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
    }
    count.refused += 1
  }
  return undefined
}

/** Asked of V8, which takes a microsecond: `process.memoryUsage` asks the system too, and takes 17. */
function usedBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}
