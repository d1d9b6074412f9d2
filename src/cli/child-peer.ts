/** A peer in a process of its own, as `cluster` starts them: `annulus start` and a channel to its parent. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { ListeningMessage } from './start.ts'

export interface ChildPeerComponents {
  /** Takes each line that the peer writes to stdout, and to stderr. */
  readonly print: (line: string) => void
  readonly say: (line: string) => void
  /** Takes what it tells its parent, beside that it listens. */
  readonly tell?: (message: unknown) => void
}

export interface ChildPeerInit {
  /** Arguments of `start`. */
  readonly args: readonly string[]
}

export class ChildPeer {
  /** Resolves with its addresses when it listens, with undefined when it ended before. */
  readonly listening: Promise<string[] | undefined>
  /** Resolves when it has ended and all it wrote is passed on: how, in words. */
  readonly ended: Promise<string>
  readonly #process: ChildProcess
  #asked = false

  constructor({ print, say, tell }: ChildPeerComponents, { args }: ChildPeerInit) {
    // A group of its own, so that Ctrl-C reaches only the parent, and each peer is asked to stop just once. That
    // it ends with its parent, however that ends, it sees by the channel's closing.
    this.#process = spawn(process.execPath, [process.argv[1]!, 'start', '--stop-with-parent', ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      env: withoutSettings(process.env)
    })
    const closed = new Promise<string>(resolve => {
      this.#process.once('error', error => resolve(error.message))
      this.#process.once('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal))
    })
    this.ended = closed
    this.listening = Promise.race([
      closed.then(() => undefined),
      new Promise<string[]>(resolve => {
        this.#process.on('message', (message: unknown) => {
          if (isListening(message)) resolve(message.multiaddrs)
        })
      })
    ])
    if (tell !== undefined) this.#process.on('message', tell)
    eachLine(this.#process.stdout, print)
    eachLine(this.#process.stderr, say)
  }

  /** Undefined while it runs, and when a signal ended it. */
  get exitCode(): number | undefined {
    return this.#process.exitCode ?? undefined
  }

  /** Asks it to stop; once, as a second signal would end it at once. */
  stop(): void {
    if (this.#asked) return
    this.#asked = true
    // Not by closing the channel: Node emits no `close` for a child whose parent has closed it.
    this.#process.kill('SIGTERM')
  }

  /** Ends it at once. */
  kill(): void {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGKILL')
  }
}

/** The parent has read all settings and passes them on as flags; read again here, they would count twice. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ANNULUS_')))
}

function eachLine(stream: Readable | null, take: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', take)
}

function isListening(message: unknown): message is ListeningMessage {
  return (
    typeof message === 'object' && message !== null && 'event' in message && message.event === 'listening'
  )
}
