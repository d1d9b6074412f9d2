/**
 * The command as a process: run it and collect what it says, or start it and wait for a line. Used by the tests
 * (processes.ts, which ends what they leave running) and by scripts/acceptance.ts.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const command = fileURLToPath(new URL('../../dist/bin/annulus.js', import.meta.url))

export interface RunOptions {
  readonly env?: Record<string, string>
  readonly input?: string | Uint8Array
  /** A script to run instead of the command. */
  readonly script?: string
}

export interface Outcome {
  /** Null where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Stdout, byte for byte. */
  readonly bytes: Buffer
}

const running = new Set<RunningCommand>()

/** Ends at once all that was started and still runs. */
export async function endAll(): Promise<void> {
  for (const process of running) process.kill('SIGKILL')
  await Promise.all([...running].map(process => process.ended))
}

/** Runs the command to its end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new RunningCommand(args, options).ended
}

/** Starts the command and leaves it running. */
export function start(args: readonly string[], options: RunOptions = {}): RunningCommand {
  return new RunningCommand(args, options)
}

export class RunningCommand {
  readonly ended: Promise<Outcome>
  readonly #process: ChildProcess
  readonly #stdout: Buffer[] = []
  readonly #stderr: Buffer[] = []
  readonly #watchers = new Set<() => void>()

  constructor(args: readonly string[], options: RunOptions) {
    const child = spawn(process.execPath, [options.script ?? command, ...args], {
      env: cleanEnvironment(options.env ?? {}),
      stdio: 'pipe'
    })
    this.#process = child
    for (const [stream, chunks] of [
      [child.stdout, this.#stdout],
      [child.stderr, this.#stderr]
    ] as const) {
      stream.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        for (const watcher of this.#watchers) watcher()
      })
    }
    child.stdin.on('error', () => undefined) // it may end before it has read all
    child.stdin.end(options.input)
    running.add(this)
    this.ended = once(child, 'close').then(([code]: (number | null)[]) => {
      running.delete(this)
      for (const watcher of this.#watchers) watcher()
      return {
        code: code ?? null,
        stdout: this.stdout,
        stderr: this.stderr,
        bytes: Buffer.concat(this.#stdout)
      }
    })
  }

  get pid(): number {
    return this.#process.pid!
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString()
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString()
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Resolves when what was written so far matches; fails when the process ends before, or after `timeoutMs`. */
  async until(
    matches: (running: RunningCommand) => boolean,
    what: string,
    timeoutMs = 20_000
  ): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer)
        this.#watchers.delete(check)
        if (error === undefined) resolve()
        else reject(error)
      }
      const check = (): void => {
        if (matches(this)) settle()
        else if (!running.has(this)) settle(this.#complaint(`ended before it had ${what}`))
      }
      const timer = setTimeout(
        () => settle(this.#complaint(`had not ${what} after ${timeoutMs} ms`)),
        timeoutMs
      )
      this.#watchers.add(check)
      check()
    })
  }

  /** The addresses of the first `count` ready lines. */
  async ready(count = 1, timeoutMs?: number): Promise<string[]> {
    const addresses = (): string[] =>
      [...this.stdout.matchAll(/^ready (\S+)$/gm)].map(([, address]) => address!)
    await this.until(() => addresses().length >= count, `said ready ${count} times`, timeoutMs)
    return addresses()
  }

  #complaint(what: string): Error {
    return new Error(`the command ${what}; stdout: ${this.stdout}; stderr: ${this.stderr}`)
  }
}

/** The environment without what would change the command's ways; no test may find the user's own peer. */
function cleanEnvironment(changes: Record<string, string>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('ANNULUS_') && name !== 'NO_COLOR'
  )
  return {
    ...Object.fromEntries(kept),
    XDG_DATA_HOME: join(tmpdir(), 'annulus-test-no-such-folder'),
    ...changes
  }
}
