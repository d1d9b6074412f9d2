/**
 * `npm run demo`: the whole story in one terminal, with real processes and real files. Five peers, an import, a
 * peer that dies, one that joins, and what moved. Everything it makes is gone when it ends.
 */
import { copyFile, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join as joinPath } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Location, Status } from '../src/api.ts'
import { listFiles } from '../src/cli/files.ts'
import { formatCount } from '../src/cli/units.ts'
import { annulus, endAll, startPeer, type DemoPeer } from './demo-processes.ts'

/** How many files are stored: enough for the shares to be even, few enough for the demo to be short. */
const fileCount = 500

/** Files above this many bytes are left out, so that one of them does not make up the whole. */
const largestFile = 256 * 1024

const checkout = fileURLToPath(new URL('..', import.meta.url))
const began = performance.now()

function tell(text: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(5)
  process.stdout.write(`${seconds} s  ${text}\n`)
}

function detail(text: string): void {
  process.stdout.write(`${text.trimEnd().replace(/^/gm, '           ')}\n`)
}

async function demo(folder: string): Promise<void> {
  const files = joinPath(folder, 'files')
  tell(`Copying ${formatCount(fileCount)} files of node_modules, to have something to store.`)
  await copySomeFiles(files)

  tell('Starting five peers, a process each. The first founds a cluster, the others join it.')
  const data = (number: number): string => joinPath(folder, `peer-${number}`)
  const first = await startPeer(data(1), [])
  const join = (number: number): Promise<DemoPeer> => startPeer(data(number), [first.address])
  const [second, third, fourth, fifth] = await Promise.all([join(2), join(3), join(4), join(5)])

  tell('Storing the files through peer 1: each on three of the five.')
  detail(await annulus(['import', files, '--peer', first.address]))
  tell('Reading them back through peer 3, and comparing byte by byte.')
  detail(await annulus(['verify', files, '--peer', third.address]))

  tell(`Killing peer 2 (pid ${second.pid}) with kill -9, and reading all of it through peer 4.`)
  await second.kill()
  detail(await annulus(['verify', files, '--peer', fourth.address]))

  const before = await status(first)
  tell('A sixth peer joins, while peer 2 is still dead.')
  const sixth = await join(6)
  const after = await settled(first)
  tellMovement(before, after, sixth)

  tell('Reading all of it once more, through the sixth.')
  detail(await annulus(['verify', files, '--peer', sixth.address]))

  const [file] = (await listFiles(files)).files
  const key = file!.key.toString() // the names in node_modules are text
  const where = JSON.parse(await annulus(['locate', key, '--json', '--peer', sixth.address])) as Location
  tell(`Where does ${key} lie? At ${where.position.slice(0, 16)}..., on three peers:`)
  detail(where.replicas.at(-1)!.join('\n'))
  tell('And how evenly is the ring shared?')
  detail(await annulus(['status', '--peer', sixth.address]))

  tell('Stopping all peers.')
  await Promise.all([first, third, fourth, fifth, sixth].map(peer => peer.stop()))
}

/** Every n-th of all files that are fit, in the order of their names: the same ones each time. */
async function copySomeFiles(to: string): Promise<void> {
  const all = (await listFiles(joinPath(checkout, 'node_modules'))).files
  const fit = all.filter(({ key }) => /\.(json|md|js)$/.test(key.toString()))
  const step = Math.max(1, Math.floor(fit.length / fileCount))
  let copied = 0
  for (let i = 0; i < fit.length && copied < fileCount; i += step) {
    const { key, path } = fit[i]!
    if ((await stat(path)).size > largestFile) continue
    const target = joinPath(to, key.toString())
    await mkdir(dirname(target), { recursive: true })
    await copyFile(path, target)
    copied++
  }
}

async function status(peer: DemoPeer): Promise<Status> {
  return JSON.parse(await annulus(['status', '--json', '--peer', peer.address])) as Status
}

/** The status when nothing moves any more, or after ten seconds of waiting for that. */
async function settled(peer: DemoPeer): Promise<Status> {
  for (let tries = 0; ; tries++) {
    const found = await status(peer)
    if ((found.transition === null && found.transfers.length === 0) || tries === 20) return found
    await sleep(500)
  }
}

/** What each member holds before and after, and the copies made beside those that had to be. */
function tellMovement(before: Status, after: Status, joined: DemoPeer): void {
  let made = 0
  let needed = 0
  for (const member of after.members) {
    const was = before.members.find(({ peerId }) => peerId === member.peerId)?.records
    const had = member.peerId === joined.peerId ? 0 : was
    const has = member.records
    const name = `...${member.peerId.slice(-8)}`
    if (has === null || had === null || had === undefined) {
      detail(`${name}  does not answer`)
      continue
    }
    made += Math.max(0, has - had)
    if (member.peerId === joined.peerId) needed = has
    detail(`${name}  ${formatCount(had).padStart(5)} copies before, ${formatCount(has).padStart(5)} after`)
  }
  tell(`The join made ${formatCount(made)} copies. The least that any system must make is what`)
  detail(`the sixth peer now holds: ${formatCount(needed)}.`)
  if (made > needed) throw new Error(`${made - needed} copies were made that nobody needed`)
  detail('Not one moved between the others; some keep a copy until the dead peer is back to take it.')
}

async function main(): Promise<void> {
  const folder = await mkdtemp(joinPath(tmpdir(), 'annulus-demo-'))
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    interrupted.abort()
    void endAll()
  })
  try {
    await demo(folder)
  } catch (error) {
    // Without its peers nothing can go on.
    if (!interrupted.signal.aborted) throw error
    process.exitCode = 130
  } finally {
    await endAll()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    tell('No process and no file is left.')
  }
}

await main()
