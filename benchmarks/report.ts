/** What a run found, as a document for programs and as a table for people. */
import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { arch, cpus, loadavg, platform, tmpdir, totalmem } from 'node:os'
import type { Result } from './cases.ts'
import type { Settings } from './options.ts'

export interface Report {
  /** The commit measured; with a plus where files differ from it, null outside of a checkout. */
  readonly commit: string | null
  readonly date: string
  readonly machine: {
    readonly platform: string
    readonly cpu: string
    readonly cores: number
    readonly memoryBytes: number
    /** Of the file system that held the peers' folders; 0x01021994 is memory (tmpfs), where fsync is free. */
    readonly fileSystem: string
    /** Load of the last minute before the run, in processes that want to run. */
    readonly load: number
  }
  readonly node: string
  readonly settings: Settings
  readonly results: readonly ReportedResult[]
  /** Operations per second over those of the raw streams with the same messages. */
  readonly ratios: readonly ReportedRatio[]
}

export interface ReportedResult {
  readonly case: string
  readonly inFlight: number
  readonly operationsPerSecond: number
  /** In microseconds. */
  readonly p50Us: number
  readonly p99Us: number
  /** Processor time for one operation of the requesting process, in microseconds. */
  readonly requesterCpuUs: number
  /** The same of all others that serve it together; null where the system does not tell. */
  readonly othersCpuUs: number | null
}

export interface ReportedRatio {
  readonly case: string
  readonly floor: string
  readonly inFlight: number
  readonly ratio: number
}

/** What is known before a run; the load would be its own afterwards. */
export type Circumstances = Omit<Report, 'results' | 'ratios'>

export function circumstances(settings: Settings): Circumstances {
  const processors = cpus()
  return {
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
    settings
  }
}

export function reportOf(known: Circumstances, results: readonly Result[]): Report {
  const reported = results.map(({ case: { name }, inFlight, measurement }) => ({
    case: name,
    inFlight,
    operationsPerSecond: Math.round(measurement.operationsPerSecond),
    p50Us: measurement.percentileUs(50),
    p99Us: measurement.percentileUs(99),
    requesterCpuUs: Math.round(measurement.ownProcessorUs),
    othersCpuUs:
      measurement.othersProcessorUs === undefined ? null : Math.round(measurement.othersProcessorUs)
  }))
  const ratios = results.flatMap(({ case: { name, floor }, inFlight, measurement }) => {
    const raw = results.find(other => other.case.name === floor && other.inFlight === inFlight)
    if (floor === undefined || raw === undefined) return []
    const ratio = measurement.operationsPerSecond / raw.measurement.operationsPerSecond
    return [{ case: name, floor, inFlight, ratio: Math.round(ratio * 1000) / 1000 }]
  })
  return { ...known, results: reported, ratios }
}

export function formatReport({ machine, node, commit, settings, results, ratios }: Report): string {
  const lines = [
    `commit ${commit ?? 'unknown'}, Node ${node}, ${machine.cores} x ${machine.cpu}, load ${machine.load.toFixed(1)} before`,
    `${settings.peers} peers, ${settings.replicas} replicas, ${settings.valueBytes} bytes a value, ${settings.keys} keys`
  ]
  for (const inFlight of settings.inFlight) {
    lines.push(
      '',
      row(`${inFlight} in flight`, 'per second', 'p50 ms', 'p99 ms', 'cpu us', 'others us', 'of raw')
    )
    for (const result of results) {
      if (result.inFlight !== inFlight) continue
      const ratio = ratios.find(one => one.case === result.case && one.inFlight === inFlight)?.ratio
      lines.push(
        row(
          result.case,
          String(result.operationsPerSecond),
          (result.p50Us / 1000).toFixed(2),
          (result.p99Us / 1000).toFixed(2),
          String(result.requesterCpuUs),
          String(result.othersCpuUs ?? ''),
          ratio === undefined ? '' : `${Math.round(ratio * 100)} %`
        )
      )
    }
  }
  return lines.join('\n')
}

function row(name: string, ...numbers: string[]): string {
  return `${name.padEnd(26)}${numbers.map(text => text.padStart(12)).join('')}`.trimEnd()
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
