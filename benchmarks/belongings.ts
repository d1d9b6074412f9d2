/**
 * The processes and the folder that a run has made, taken away again however it ends: in order where it
 * can, and by force when the process exits, be it by a failure or a second Ctrl-C.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How long a process has to end when it is asked to, in ms. */
const stopTimeoutMs = 5_000

/** How long a process has to say what it is waited for, in ms. */
const sayTimeoutMs = 30_000

/** Lines of a process's stderr that are shown where it fails. */
const shownLines = 10

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
    const child = new Child(script, args, this.#signal)
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

/** A process with an IPC channel: when that closes, whatever ends this process, the other one ends too. */
export class Child {
  readonly #process: ChildProcess
  readonly #script: string
  readonly #signal: AbortSignal
  readonly #ended: Promise<string>
  #stdout = ''
  #stderr = ''

  constructor(script: string, args: readonly string[], signal: AbortSignal) {
    this.#script = script
    this.#signal = signal
    // A group of its own, so that Ctrl-C reaches this process alone, which then stops the others in order.
    this.#process = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      env: environment()
    })
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
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
    return new Error(`${this.#script} ${what}\n${last}`)
  }
}

/** Without the user's own settings of peers, which would make runs differ. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ANNULUS_')))
}
