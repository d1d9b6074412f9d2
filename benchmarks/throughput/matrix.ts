/** Which combinations are measured. All of them would take an hour; most would say nothing new. */
import type { Consistency } from '../../src/api.ts'

export const mixes = ['put', 'get', 'mixed'] as const
export type Mix = (typeof mixes)[number]

export const modes = ['direct', 'embedded'] as const
export type Mode = (typeof modes)[number]

export const consistencies = ['one', 'quorum', 'all'] as const satisfies readonly Consistency[]

/** One combination. */
export interface Point {
  readonly mix: Mix
  readonly mode: Mode
  readonly consistency: Consistency
  readonly valueBytes: number
  readonly inFlight: number
}

/** Several of each. */
export type Choice = { readonly [Part in keyof Point]: ReadonlyArray<Point[Part]> }

type Surroundings = Omit<Point, 'mix'>

export const baseChoice: Surroundings = {
  mode: 'direct',
  consistency: 'quorum',
  valueBytes: 128,
  inFlight: 64
}

const kib = 1024
const mib = 1024 * 1024

/** What the base is changed to, in one part at a time. */
const changes: ReadonlyArray<Partial<Surroundings>> = [
  { inFlight: 1 },
  { inFlight: 16 },
  { inFlight: 256 },
  { valueBytes: kib },
  { valueBytes: 64 * kib },
  { valueBytes: mib },
  { mode: 'embedded' },
  { consistency: 'one' },
  { consistency: 'all' }
]

/** Values under way at once: more is refused by peers that see to their memory, rightly. */
const maxBytesInFlight = 16 * mib

/** For each mix the base and its changes; or all combinations of a choice. */
export function pointsOf(choice: Choice | undefined): Point[] {
  if (choice === undefined) {
    const all = [baseChoice, ...changes.map(change => ({ ...baseChoice, ...change }))]
    return mixes.flatMap(mix => all.map(one => limited({ mix, ...one })))
  }
  const points = choice.mix.flatMap(mix =>
    choice.mode.flatMap(mode =>
      choice.consistency.flatMap(consistency =>
        choice.valueBytes.flatMap(valueBytes =>
          choice.inFlight.map(inFlight => limited({ mix, mode, consistency, valueBytes, inFlight }))
        )
      )
    )
  )
  return [...new Map(points.map(point => [nameOf(point), point])).values()]
}

function limited(point: Point): Point {
  return { ...point, inFlight: Math.min(point.inFlight, Math.floor(maxBytesInFlight / point.valueBytes)) }
}

export function nameOf({ mix, mode, consistency, valueBytes, inFlight }: Point): string {
  return [mix, mode, consistency, sizeOf(valueBytes), inFlight].join(', ')
}

function sizeOf(bytes: number): string {
  if (bytes % mib === 0) return `${bytes / mib} MiB`
  return bytes % kib === 0 ? `${bytes / kib} KiB` : `${bytes} B`
}
