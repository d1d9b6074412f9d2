/** The command line of the simulator, checked. Used by sim.ts. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import {
  faultKinds,
  profiles,
  settingsOf,
  type FaultKind,
  type Profile,
  type SettingsInit,
  type SimulationSettings
} from './settings.ts'

export const usage = `npm run sim -- [options]

  --seeds N           runs, one for each seed (100)
  --start S           the first seed (1)
  --peers N           peers at the start; else drawn from the seed
  --minutes M         virtual minutes of load and faults (10)
  --profile P         ${profiles.join(', ')}; else drawn from the seed
  --only A,B          these faults only: ${faultKinds.join(', ')}
  --rate R            operations a second; else drawn from the seed
  --jobs N            processes (one for each core)
  --trace             one run, the first seed's, with all that happens in it
  --shrink            looks for the shortest script with which the first seed still fails
  --script FILE       replays a script that --shrink saved
  --json              prints the end table as one JSON document
  --mutants           breaks the core on purpose, and counts the seeds until that shows
  --only-mutants A,B  these mutants only
  --starts N          seeds from which mutants are tried (20)
  --max-seeds N       seeds that are tried from each of them at most (500)
  --file FILE         keeps what became of each run of a mutant, and runs again nothing that it has already`

/** A mistake on the command line, in words for whoever typed it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What runs of one command have in common. */
export interface Common extends Omit<SettingsInit, 'seed'> {
  readonly operationsPerSecond?: number
}

export interface Arguments {
  readonly seeds: number
  readonly start: number
  readonly jobs: number
  readonly starts: number | undefined
  readonly maxSeeds: number | undefined
  readonly outcomesFile: string | undefined
  readonly common: Common
  readonly mode: 'runs' | 'trace' | 'shrink' | 'script' | 'mutants' | 'help'
  readonly scriptFile: string | undefined
  readonly onlyMutants: readonly string[] | undefined
  readonly isJson: boolean
  /** The options that must be given again to see the same run, apart from the seed. */
  readonly replayFlags: string
}

const options = {
  seeds: { type: 'string', default: '100' },
  start: { type: 'string', default: '1' },
  peers: { type: 'string' },
  minutes: { type: 'string' },
  profile: { type: 'string' },
  only: { type: 'string' },
  rate: { type: 'string' },
  jobs: { type: 'string' },
  trace: { type: 'boolean', default: false },
  shrink: { type: 'boolean', default: false },
  script: { type: 'string' },
  json: { type: 'boolean', default: false },
  mutants: { type: 'boolean', default: false },
  'only-mutants': { type: 'string' },
  starts: { type: 'string' },
  'max-seeds': { type: 'string' },
  file: { type: 'string' },
  help: { type: 'boolean', default: false }
} as const

/** Throws UsageError. */
export function readArguments(args: readonly string[]): Arguments {
  const values = parse(args)
  type Counted = 'seeds' | 'start' | 'peers' | 'jobs' | 'starts' | 'max-seeds'
  const number = (name: Counted, least: number): number | undefined =>
    numberOf(name, values[name], least, Number.isInteger)
  const peers = number('peers', 1)
  const minutes = numberOf('minutes', values.minutes, 0.01)
  const rate = numberOf('rate', values.rate, 0.01)
  const { profile, only } = values
  const common: Common = {
    ...(peers === undefined ? {} : { peers }),
    ...(minutes === undefined ? {} : { minutes }),
    ...(rate === undefined ? {} : { operationsPerSecond: rate }),
    ...(profile === undefined ? {} : { profile: oneOf<Profile>('profile', profile, profiles) }),
    ...(only === undefined
      ? {}
      : { only: only.split(',').map(kind => oneOf<FaultKind>('only', kind, faultKinds)) })
  }
  const replayed = ['peers', 'minutes', 'profile', 'only', 'rate'] as const
  return {
    seeds: number('seeds', 1)!,
    start: number('start', 0)!,
    jobs: number('jobs', 1) ?? availableParallelism(),
    starts: number('starts', 1),
    maxSeeds: number('max-seeds', 1),
    outcomesFile: values.file,
    common,
    mode: modeOf(values),
    scriptFile: values.script,
    onlyMutants: values['only-mutants']?.split(','),
    isJson: values.json,
    replayFlags: replayed
      .flatMap(name => (values[name] === undefined ? [] : [` --${name} ${values[name]}`]))
      .join('')
  }
}

/** The settings of one of the runs. */
export function settingsFor(seed: number, { operationsPerSecond, ...init }: Common): SimulationSettings {
  const settings = settingsOf({ ...init, seed })
  return operationsPerSecond === undefined ? settings : { ...settings, operationsPerSecond }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function modeOf(values: ReturnType<typeof parse>): Arguments['mode'] {
  const { trace, shrink, script, mutants, help } = values
  const modes = [
    ...(trace ? ['trace' as const] : []),
    ...(shrink ? ['shrink' as const] : []),
    ...(mutants ? ['mutants' as const] : []),
    ...(script === undefined ? [] : ['script' as const])
  ]
  if (help) return 'help'
  // A script can be traced as well as a seed.
  if (modes.length === 2 && trace && script !== undefined) return 'script'
  if (modes.length > 1) throw new UsageError(`--${modes.join(' and --')} do not go together`)
  return modes[0] ?? 'runs'
}

function numberOf(
  name: string,
  text: string | undefined,
  least: number,
  isAllowed: (value: number) => boolean = Number.isFinite
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && isAllowed(value) && value >= least) return value
  throw new UsageError(`--${name} takes a number of at least ${least}, not "${text}"`)
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find(candidate => candidate === text)
  if (found !== undefined) return found
  throw new UsageError(`--${name} takes ${allowed.join(', ')}; "${text}" is none of them`)
}
