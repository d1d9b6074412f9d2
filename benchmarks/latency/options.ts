/** What `npm run bench:latency` can be told. */
import { parseArgs } from 'node:util'
import { commonFlags, commonOf, commonUsage, wholeNumber, type CommonOptions } from '../harness/options.ts'

export const latencyUsage = `Usage: npm run bench:latency -- [options]

  --records N      records of 1 KiB that are stored, and move when a peer joins; default 30000
  --rate N         gets of them a second, 10 to 5000; default 300
  --rounds N       so many times a peer joins and leaves; default 3
  --seconds N      how long a rest and the large values of a round take, 1 to 60; default 5
${commonUsage}`

export interface LatencySettings {
  readonly peers: number
  readonly replicas: number
  readonly valueBytes: number
  readonly records: number
  /** Bytes of each large value, and how many of them are under way. */
  readonly largeBytes: number
  readonly largeInFlight: number
  readonly perSecond: number
  readonly rounds: number
  readonly phaseMs: number
}

export interface LatencyOptions extends CommonOptions {
  readonly settings: LatencySettings
}

/** Undefined where only the usage was asked for. Throws where the arguments make no sense. */
export function readLatencyOptions(args: readonly string[]): LatencyOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonFlags,
      records: { type: 'string', default: '30000' },
      rate: { type: 'string', default: '300' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' }
    }
  })
  if (values.help) return undefined
  const settings = {
    peers: 5,
    replicas: 3,
    valueBytes: 1024,
    records: wholeNumber('--records', values.records, { from: 100, to: 1_000_000 }),
    largeBytes: 1024 * 1024,
    largeInFlight: 2,
    perSecond: wholeNumber('--rate', values.rate, { from: 10, to: 5_000 }),
    rounds: wholeNumber('--rounds', values.rounds, { from: 1, to: 20 }),
    phaseMs: wholeNumber('--seconds', values.seconds, { from: 1, to: 60 }) * 1000
  }
  return { ...commonOf(values), settings }
}
