/** The processes of the demo: the built command, run to its end or started as a peer. None outlives the demo. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../dist/bin/annulus.js', import.meta.url))

const running = new Set<ChildProcess>()

/** Runs the command to its end and returns what it wrote to stdout. Throws where it fails. */
export async function annulus(args: readonly string[]): Promise<string> {
  const child = launch(args)
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(`annulus ${args.join(' ')} failed: ${stdout()}${stderr()}`)
  return stdout()
}

export interface DemoPeer {
  readonly pid: number
  readonly peerId: string
  readonly address: string
  /** Stops it cleanly. */
  stop(): Promise<void>
  /** Ends it with kill -9. */
  kill(): Promise<void>
}

/** Starts a peer and waits until it serves. */
export async function startPeer(data: string, joins: readonly string[]): Promise<DemoPeer> {
  const child = launch([
    'start',
    '--stop-with-parent',
    `--data=${data}`,
    ...joins.map(join => `--join=${join}`)
  ])
  const stderr = collect(child.stderr)
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.startsWith('ready ')) resolve(line.slice('ready '.length))
    })
    child.once('close', () => reject(new Error(`a peer ended before it was ready: ${stderr()}`)))
  })
  return {
    pid: child.pid!,
    peerId: address.split('/p2p/')[1]!,
    address,
    stop: () => end(child, 'SIGTERM'),
    kill: () => end(child, 'SIGKILL')
  }
}

/** Ends at once whatever is left. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map(child => end(child, 'SIGKILL')))
}

/** A group of its own keeps Ctrl-C for the demo; the channel tells a peer when the demo is gone. */
function launch(args: readonly string[]): ChildProcess & { stdout: Readable; stderr: Readable } {
  const child = spawn(process.execPath, [command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true
  })
  running.add(child)
  child.once('close', () => running.delete(child))
  // With these stdio options both are there.
  return Object.assign(child, { stdout: child.stdout!, stderr: child.stderr! })
}

function collect(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  return () => text
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (!running.has(child)) return
  const closed = once(child, 'close')
  child.kill(signal)
  await closed
}
