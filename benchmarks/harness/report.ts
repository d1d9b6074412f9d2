/** What a run found, with all that is needed to judge it, for programs and for people. */
import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { arch, cpus, loadavg, platform, tmpdir, totalmem } from 'node:os'
import type { Ratios } from './ratios.ts'
import { markdownOf, textOf, type Table } from './tables.ts'

/** What is known before a run; the load would be its own afterwards. */
export interface Circumstances {
  readonly benchmark: string
  /** The commit measured; with a plus where files differ from it, null outside of a checkout. */
  readonly commit: string | null
  readonly date: string
  readonly machine: {
    readonly platform: string
    readonly cpu: string
    readonly cores: number
    readonly memoryBytes: number
    /** Of the file system that held the data folders; 0x01021994 is memory (tmpfs), where fsync is free. */
    readonly fileSystem: string
    /** Load of the last minute before the run, in processes that want to run. */
    readonly load: number
  }
  readonly node: string
  /** All draws follow from it: keys, values, their order. */
  readonly seed: number
  readonly settings: object
}

export interface Findings {
  readonly results: readonly object[]
  readonly ratios: Ratios
  /** What was left out or went wrong, in sentences. */
  readonly notes: readonly string[]
}

export type Report = Circumstances & Findings

export function circumstances(benchmark: string, seed: number, settings: object): Circumstances {
  const processors = cpus()
  return {
    benchmark,
    commit: currentCommit(),
    date: new Date().toISOString(),
    machine: {
      platform: `${platform()} ${arch()}`,
      cpu: processors[0]?.model ?? 'unknown',
      cores: processors.length,
      memoryBytes: totalmem(),
      fileSystem: `0x${statfsSync(tmpdir()).type.toString(16).padStart(8, '0')}`,
      load: loadavg()[0] ?? 0
    },
    node: process.version,
    seed,
    settings
  }
}

export function asText(known: Circumstances, tables: readonly Table[], notes: readonly string[]): string {
  return [headline(known), ...tables.map(textOf), ...noteBlock(notes)].join('\n\n')
}

export function asMarkdown(known: Circumstances, tables: readonly Table[], notes: readonly string[]): string {
  const settings = ['```json', JSON.stringify(known.settings), '```'].join('\n')
  const title = `# ${known.benchmark}`
  const blocks = [title, headline(known), settings, ...tables.map(markdownOf), ...noteBlock(notes)]
  return `${blocks.join('\n\n')}\n`
}

function headline({ commit, date, node, machine, seed }: Circumstances): string {
  const { cores, cpu, load } = machine
  return (
    `commit ${commit ?? 'unknown'}, ${date}, Node ${node}, ${cores} x ${cpu}, ` +
    `load ${load.toFixed(1)} before, seed ${seed}`
  )
}

function noteBlock(notes: readonly string[]): string[] {
  return notes.length === 0 ? [] : [notes.map(note => `- ${note}`).join('\n')]
}

function currentCommit(): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore']
    })
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
    return git('rev-parse', '--short', 'HEAD').trim() + (isChanged ? '+' : '')
  } catch {
    return null
  }
}
