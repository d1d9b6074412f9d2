/** What `npm run bench:throughput` can be told. */
import { parseArgs } from 'node:util'
import type { MeasureSettings } from '../harness/measure.ts'
import {
  commonFlags,
  commonOf,
  commonUsage,
  numberWithin,
  wholeNumbers,
  wordsOf,
  type CommonOptions
} from '../harness/options.ts'
import { baseChoice, consistencies, mixes, modes, type Choice } from './matrix.ts'

export const throughputUsage = `Usage: npm run bench:throughput -- [options]

Without any of the first five: ${baseChoice.mode}, ${baseChoice.consistency}, ${baseChoice.valueBytes} bytes and ${baseChoice.inFlight} in flight, and each of these
changed by itself. With one of them or more: all combinations of what they give.

  --mixes L        of ${mixes.join(', ')} (95 gets to 5 puts)
  --in-flight L    operations under way at once, up to 256
  --values L       bytes of a value, up to 1048576; less is in flight where that would be more than 16 MiB
  --modes L        of ${modes.join(', ')}: a peer in the loading process, or a client that coordinates itself
  --consistency L  of ${consistencies.join(', ')}
  --seconds N      how long each case is measured, 1 to 60; default 3
${commonUsage}`

const maxValueBytes = 1024 * 1024
const maxInFlight = 256

export interface ThroughputSettings extends MeasureSettings {
  readonly peers: number
  readonly replicas: number
  /** Of each size of value at most, and no more bytes of them than `maxStoredBytes`. */
  readonly keys: number
  readonly maxStoredBytes: number
}

export interface ThroughputOptions extends CommonOptions {
  readonly settings: ThroughputSettings
  /** Undefined: the base, and each part of it changed by itself. */
  readonly choice: Choice | undefined
}

/** Undefined where only the usage was asked for. Throws where the arguments make no sense. */
export function readThroughputOptions(args: readonly string[]): ThroughputOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonFlags,
      mixes: { type: 'string' },
      'in-flight': { type: 'string' },
      values: { type: 'string' },
      modes: { type: 'string' },
      consistency: { type: 'string' },
      seconds: { type: 'string', default: '3' }
    }
  })
  if (values.help) return undefined
  const { mixes: mix, modes: mode, consistency, values: sizes, 'in-flight': inFlight } = values
  const isChosen = [mix, mode, consistency, sizes, inFlight].some(given => given !== undefined)
  const choice: Choice = {
    mix: mix === undefined ? mixes : wordsOf('--mixes', mix, mixes),
    mode: mode === undefined ? [baseChoice.mode] : wordsOf('--modes', mode, modes),
    consistency:
      consistency === undefined
        ? [baseChoice.consistency]
        : wordsOf('--consistency', consistency, consistencies),
    valueBytes:
      sizes === undefined
        ? [baseChoice.valueBytes]
        : wholeNumbers('--values', sizes, { from: 1, to: maxValueBytes }),
    inFlight:
      inFlight === undefined
        ? [baseChoice.inFlight]
        : wholeNumbers('--in-flight', inFlight, { from: 1, to: maxInFlight })
  }
  const settings = {
    peers: 5,
    replicas: 3,
    keys: 10_000,
    maxStoredBytes: 32 * 1024 * 1024,
    measureMs: numberWithin('--seconds', values.seconds, { from: 1, to: 60 }) * 1000,
    rounds: 3,
    firstWarmUpMs: 700,
    warmUpMs: 200
  }
  return { ...commonOf(values), settings, choice: isChosen ? choice : undefined }
}
