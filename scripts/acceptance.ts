/**
 * `npm run acceptance [NAME...]`: the long checks of what a user is promised, with real processes and real
 * files, too long for `npm test`. Says what it sees, and exits with 1 at the first thing that does not hold.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endAll } from '../test/support/command.ts'
import { burst } from './acceptance/burst.ts'
import { fsyncFirst } from './acceptance/fsync-first.ts'
import { fullDisk } from './acceptance/full-disk.ts'
import { hostileConnections } from './acceptance/hostile-connections.ts'
import { killRounds } from './acceptance/kill-rounds.ts'
import { membersUnderLoad } from './acceptance/members-under-load.ts'
import { millionRecords } from './acceptance/million-records.ts'
import { movement } from './acceptance/movement.ts'
import { noiseAtThePort } from './acceptance/noise-at-the-port.ts'
import { readAtOnce } from './acceptance/read-at-once.ts'
import { realFiles } from './acceptance/real-files.ts'
import { seen } from './acceptance/report.ts'
import { rollingRestart } from './acceptance/rolling-restart.ts'

const checks: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  burst,
  'fsync-first': fsyncFirst,
  'full-disk': fullDisk,
  'hostile-connections': hostileConnections,
  'kill-rounds': killRounds,
  'members-under-load': membersUnderLoad,
  'million-records': millionRecords,
  movement,
  'noise-at-the-port': noiseAtThePort,
  'read-at-once': readAtOnce,
  'real-files': realFiles,
  'rolling-restart': rollingRestart
}

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.find(name => !Object.hasOwn(checks, name))
  if (unknown !== undefined) {
    process.stderr.write(`there is no check ${unknown}; there are ${Object.keys(checks).join(', ')}\n`)
    process.exitCode = 2
    return
  }
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    interrupted.abort()
    void endAll()
  })
  for (const name of names.length > 0 ? names : Object.keys(checks)) {
    const folder = await mkdtemp(join(tmpdir(), 'annulus-acceptance-'))
    try {
      seen(`== ${name}`)
      await checks[name]!(folder)
    } catch (error) {
      process.exitCode = interrupted.signal.aborted ? 130 : 1
      seen(`FAILED ${name}: ${error instanceof Error ? error.stack : String(error)}`)
      return
    } finally {
      await endAll()
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    }
  }
  seen('all hold')
}

await main(process.argv.slice(2))
