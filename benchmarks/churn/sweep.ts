/**
 * `npm run bench:churn`: `annulus churn` over medians of the session from an hour down to 1.4 minutes, with all times
 * five times faster, and its history judged once more, by all that the simulator judges histories by. Flags go
 * to `annulus churn`, and count over those that are given here.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Operation } from '../../src/judge/operation.ts'
import { checkHistory, type Violation } from '../../test/simulation/run/checker.ts'

const command = fileURLToPath(new URL('../../dist/bin/annulus.js', import.meta.url))

const usual = ['--median=60m,30m,15m,7m,3m,1.4m', '--pace=5', '--duration=10m', '--peers=6']

const folder = mkdtempSync(join(tmpdir(), 'annulus-bench-churn-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const file = join(folder, 'history.json')
process.exitCode = await run([...usual, ...process.argv.slice(2), `--history=${file}`])
for (const [i, operations] of histories().entries()) {
  const violations = judged(operations)
  console.error(
    `run ${i + 1}: ${operations.length} operations, ${violations.length} violations found by the simulator's judges`
  )
  for (const { guarantee, subject, what } of violations) console.error(`  ${guarantee}, ${subject}: ${what}`)
  if (violations.length > 0) process.exitCode = 1
}

function run(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [command, 'churn', ...args], { stdio: 'inherit' })
  // Ctrl-C reaches the command too, which stops in order; this process waits for it.
  process.on('SIGINT', () => undefined)
  return new Promise(resolve => child.once('close', code => resolve(code ?? 1)))
}

function histories(): Operation[][] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Operation[][] // written just now, by the command
  } catch {
    return [] // it has said why it wrote none
  }
}

/** What clients of a cluster are told names no version where there is nothing. */
function judged(operations: readonly Operation[]): Violation[] {
  return checkHistory(operations.map((operation, number) => ({ ...operation, number, tellsVersions: false })))
}
