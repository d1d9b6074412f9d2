/** What `npm run bench:compare` can be told. */
import { parseArgs } from 'node:util'
import type { MeasureSettings } from '../harness/measure.ts'
import {
  commonFlags,
  commonOf,
  commonUsage,
  numberWithin,
  wholeNumber,
  wholeNumbers,
  type CommonOptions
} from '../harness/options.ts'

export const compareUsage = `Usage: npm run bench:compare -- [options]

Systems that are not installed are left out, with a line that says how to install them.

  --seconds N      how long each operation of each system is measured, 1 to 60; default 4
  --rounds N       in how many parts, with Annulus in between; default 4
  --in-flight L    how many operations under way at once are tried, of which each system gets its best;
                   default 8,16,32,64
${commonUsage}`

const maxInFlight = 256

export interface CompareSettings extends MeasureSettings {
  readonly peers: number
  readonly replicas: number
  readonly valueBytes: number
  /** At most: a slow system has as many as it stores in `maxFillMs`. */
  readonly keys: number
  readonly maxFillMs: number
  /** Tried for each system and operation. */
  readonly inFlight: readonly number[]
  /** How long each of these is tried, in ms. */
  readonly trialMs: number
}

export interface CompareOptions extends CommonOptions {
  readonly settings: CompareSettings
}

/** Undefined where only the usage was asked for. Throws where the arguments make no sense. */
export function readCompareOptions(args: readonly string[]): CompareOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonFlags,
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '4' },
      'in-flight': { type: 'string', default: '8,16,32,64' }
    }
  })
  if (values.help) return undefined
  const settings = {
    peers: 5,
    replicas: 3,
    valueBytes: 128,
    keys: 10_000,
    maxFillMs: 5_000,
    measureMs: numberWithin('--seconds', values.seconds, { from: 1, to: 60 }) * 1000,
    rounds: wholeNumber('--rounds', values.rounds, { from: 1, to: 20 }),
    firstWarmUpMs: 0,
    warmUpMs: 300,
    inFlight: wholeNumbers('--in-flight', values['in-flight'], { from: 1, to: maxInFlight }),
    trialMs: 800
  }
  return { ...commonOf(values), settings }
}
