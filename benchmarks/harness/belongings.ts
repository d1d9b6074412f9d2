/**
 * The processes and the folder that a run has made, taken away again however it ends: in order where it
 * can, and by force when the process exits, be it by a failure or a second Ctrl-C.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a process has to end when it is asked to, in ms. */
const stopTimeoutMs = 5_000

/** How long a process has to say what it is waited for, in ms. */
const sayTimeoutMs = 30_000

/** Lines of a process's stderr that are shown where it fails. */
const shownLines = 10

/** Between two attempts at something that a process is not ready for yet, in ms. */
const pollMs = 100

/** What is kept of what a process writes, in UTF-16 units: the last of it. */
const maxKept = 64 * 1024

/**
 * Has the kernel end a program when this process ends, however it does: programs that are not ours have no channel
 * that could close. Linux alone has it.
 */
const endWithParent = platform() === 'linux' ? ['setpriv', '--pdeathsig', 'KILL'] : []

export class Belongings implements AsyncDisposable {
  /** A folder of the run's own, on the disk that holds the system's temporary files (TMPDIR). */
  readonly folder = mkdtempSync(join(tmpdir(), 'annulus-bench-'))
  readonly #children: Child[] = []
  readonly #signal: AbortSignal
  readonly #onExit = (): void => this.#discard()

  constructor(signal: AbortSignal) {
    this.#signal = signal
    process.on('exit', this.#onExit)
  }

  /** Ids of the processes. */
  get pids(): number[] {
    return this.#children.flatMap(({ pid }) => pid ?? [])
  }

  /** Starts a script in a process of its own, which ends when this one does. */
  spawn(script: string, args: readonly string[]): Child {
    return this.#start([process.execPath, script, ...args], 'ipc')
  }

  /** Starts a program that is not ours. */
  spawnProgram(program: string, args: readonly string[]): Child {
    return this.#start([...endWithParent, program, ...args], 'ignore')
  }

  #start(command: readonly string[], channel: 'ipc' | 'ignore'): Child {
    const child = new Child(command, channel, this.#signal)
    this.#children.push(child)
    return child
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map(child => child.stop()))
    this.#discard()
    process.off('exit', this.#onExit)
  }

  #discard(): void {
    for (const child of this.#children) child.kill()
    // A process that was just killed may still be writing its last file.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }
}

/** A script of ours has an IPC channel: when that closes, whatever ends this process, the other one ends too. */
export class Child {
  readonly #process: ChildProcess
  readonly #name: string
  readonly #signal: AbortSignal
  readonly #ended: Promise<string>
  #stdout = ''
  #stderr = ''

  constructor(command: readonly string[], channel: 'ipc' | 'ignore', signal: AbortSignal) {
    const [file = '', ...args] = command
    this.#name = command.join(' ')
    this.#signal = signal
    // A group of its own, so that Ctrl-C reaches this process alone, which then stops the others in order.
    this.#process = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe', channel],
      detached: true,
      env: environment()
    })
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-maxKept)
    })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-maxKept)
    })
    this.#ended = new Promise(resolve => {
      this.#process.once('error', error => resolve(error.message))
      this.#process.once('exit', (code, by) => resolve(by === null ? `exit code ${code}` : by))
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** What it prints after `word` at the start of a line. */
  async says(word: string): Promise<string> {
    const line = new RegExp(`^${word} (.+)\n`, 'm')
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const look = (): void => {
      const said = line.exec(this.#stdout)?.[1]
      if (said !== undefined) resolve(said)
    }
    const fail = (why: string): void => reject(this.#failure(`${why} before it said "${word}"`))
    const timer = setTimeout(() => fail(`took more than ${sayTimeoutMs} ms`), sayTimeoutMs)
    const abort = (): void => reject(this.#signal.reason)
    this.#process.stdout?.on('data', look)
    this.#signal.addEventListener('abort', abort)
    void this.#ended.then(how => fail(`ended (${how})`))
    look()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#process.stdout?.off('data', look)
      this.#signal.removeEventListener('abort', abort)
    }
  }

  /** Tries until it succeeds, every `pollMs` ms. Throws where the process ends, or takes too long. */
  async until(attempt: () => Promise<unknown>): Promise<void> {
    const endAt = performance.now() + sayTimeoutMs
    let ended: string | undefined
    void this.#ended.then(how => (ended = how))
    for (;;) {
      this.#signal.throwIfAborted()
      try {
        await attempt()
        return
      } catch (error) {
        if (ended !== undefined) throw this.#failure(`ended (${ended})`)
        if (performance.now() > endAt) throw this.#failure(`does not answer: ${String(error)}`)
        await sleep(pollMs, undefined, { signal: this.#signal })
      }
    }
  }

  /**
   * Sends a message and resolves with the answer to it. A child answers one at a time, with `{ value }` or
   * `{ error }`, the latter a text.
   */
  async ask(message: object): Promise<unknown> {
    this.#signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const answered = (answer: { value?: unknown; error?: string }): void => {
      if (answer.error === undefined) resolve(answer.value)
      else reject(new Error(answer.error))
    }
    const abort = (): void => reject(this.#signal.reason)
    this.#process.once('message', answered)
    this.#signal.addEventListener('abort', abort)
    void this.#ended.then(how => reject(this.#failure(`ended (${how})`)))
    this.#process.send(message)
    try {
      return await promise
    } finally {
      this.#process.off('message', answered)
      this.#signal.removeEventListener('abort', abort)
    }
  }

  /** Asks it to end, and sees to it that it does. */
  async stop(): Promise<void> {
    this.#process.kill('SIGTERM')
    const timer = setTimeout(() => this.kill(), stopTimeoutMs)
    await this.#ended
    clearTimeout(timer)
  }

  kill(): void {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGKILL')
  }

  #failure(what: string): Error {
    const last = this.#stderr.trimEnd().split('\n').slice(-shownLines).join('\n')
    return new Error(`${this.#name} ${what}\n${last}`)
  }
}

/** Without the user's own settings of peers, which would make runs differ. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ANNULUS_')))
}
