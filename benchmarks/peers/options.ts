/** What `npm run bench` can be told. */
import { parseArgs } from 'node:util'
import type { MeasureSettings } from '../harness/measure.ts'
import {
  commonFlags,
  commonOf,
  commonUsage,
  numberWithin,
  wholeNumbers,
  type CommonOptions
} from '../harness/options.ts'

export const peersUsage = `Usage: npm run bench -- [options]

  --quick          a first look: a second of each case
  --seconds N      how long each case is measured, 1 to 4; default 3
  --in-flight L    how many operations are under way at once, default 1,16,64
${commonUsage}`

/** The longest that all cases stay within the limit of a run with, in seconds. */
const maxSeconds = 4

const maxInFlight = 256

export interface PeersSettings extends MeasureSettings {
  readonly peers: number
  readonly replicas: number
  readonly valueBytes: number
  /** Keys that are put and got; all exist before anything is measured. */
  readonly keys: number
  readonly inFlight: readonly number[]
}

export interface PeersOptions extends CommonOptions {
  readonly settings: PeersSettings
}

/** Undefined where only the usage was asked for. Throws where the arguments make no sense. */
export function readPeersOptions(args: readonly string[]): PeersOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonFlags,
      quick: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      'in-flight': { type: 'string', default: '1,16,64' }
    }
  })
  if (values.help) return undefined
  const seconds = numberWithin('--seconds', values.seconds ?? (values.quick ? '1' : '3'), {
    from: 1,
    to: maxSeconds
  })
  const settings = {
    peers: 5,
    replicas: 3,
    valueBytes: 128,
    keys: values.quick ? 2_000 : 10_000,
    measureMs: seconds * 1000,
    rounds: values.quick ? 1 : 3,
    firstWarmUpMs: values.quick ? 200 : 700,
    warmUpMs: 300,
    inFlight: wholeNumbers('--in-flight', values['in-flight'], { from: 1, to: maxInFlight })
  }
  return { ...commonOf(values), settings }
}
