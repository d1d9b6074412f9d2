/** What `npm run bench` can be told, and the settings that a run prints with its results. */
import { parseArgs } from 'node:util'

export const usage = `Usage: npm run bench -- [--json] [--quick] [--seconds N] [--in-flight N,N] [--only TEXT]

  --json         one JSON document on stdout instead of a table
  --quick        a first look: a second of each case
  --seconds N    how long each case is measured, 1 to 4; default 3
  --in-flight L  how many operations are under way at once, default 1,16,64
  --only TEXT    only cases whose name contains TEXT, and what they are compared with`

/** The longest that all cases stay within the limit of a run with, in seconds. */
const maxSeconds = 4

const maxInFlight = 256

export interface Settings {
  readonly peers: number
  readonly replicas: number
  readonly valueBytes: number
  /** Keys that are put and got; all exist before anything is measured. */
  readonly keys: number
  /** How long each case is measured for each number in flight, in ms, all rounds together. */
  readonly measureMs: number
  /** Each case is measured in so many parts, with all others in between: noise of the machine hits all alike. */
  readonly rounds: number
  /** How long each case runs before anything is measured, in ms: code that has run little is slow code. */
  readonly firstWarmUpMs: number
  /** Before each part, in ms. */
  readonly warmUpMs: number
  readonly inFlight: readonly number[]
}

export interface Options {
  readonly json: boolean
  readonly only: string
  readonly settings: Settings
}

/** Undefined where only the usage was asked for. Throws where the arguments make no sense. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      'in-flight': { type: 'string', default: '1,16,64' },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return undefined
  const seconds = Number(values.seconds ?? (values.quick ? 1 : 3))
  if (!(seconds >= 1 && seconds <= maxSeconds))
    throw new Error(`--seconds takes 1 to ${maxSeconds}, not ${values.seconds}`)
  const inFlight = values['in-flight'].split(',').map(Number)
  if (!inFlight.every(count => Number.isInteger(count) && count >= 1 && count <= maxInFlight)) {
    throw new Error(`--in-flight takes whole numbers from 1 to ${maxInFlight}, not ${values['in-flight']}`)
  }
  const settings = {
    peers: 5,
    replicas: 3,
    valueBytes: 128,
    keys: values.quick ? 2_000 : 10_000,
    measureMs: seconds * 1000,
    rounds: values.quick ? 1 : 3,
    firstWarmUpMs: values.quick ? 500 : 2_000,
    warmUpMs: 300,
    inFlight
  }
  return { json: values.json, only: values.only, settings }
}
