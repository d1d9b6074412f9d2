/**
 * Worker processes that carry out runs, each one after the other. A process that dies takes only its run with it,
 * and another one takes its place. Used by sim.ts; the other end is worker.ts.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { RunResult } from './simulate.ts'
import type { Common } from './arguments.ts'

/** What a worker is told to do, by message. */
export interface Order {
  readonly seed: number
  readonly common: Common
}

/** What it answers. */
export type Reply = { readonly result: RunResult } | { readonly error: string }

interface Job extends Order {
  /** Not to be run by the process that ran it the first time. */
  readonly isRepeat: boolean
}

export interface PoolInit {
  readonly jobs: number
  readonly common: Common
  /** Told of each run that is over, in whatever order. */
  readonly onReply: (seed: number, reply: Reply, isRepeat: boolean) => void
}

export class Pool {
  readonly #init: PoolInit
  readonly #queue: Job[]
  /** Which process ran a seed first. */
  readonly #ranIn = new Map<number, number>()
  readonly #running = new Map<ChildProcess, Job>()
  #starts = 0

  /** `repeats`: the seeds that are run a second time. */
  constructor(init: PoolInit, seeds: readonly number[], repeats: ReadonlySet<number>) {
    this.#init = init
    const job = (seed: number, isRepeat: boolean): Job => ({ seed, isRepeat, common: init.common })
    this.#queue = seeds.flatMap(seed => [job(seed, false), ...(repeats.has(seed) ? [job(seed, true)] : [])])
  }

  /** Resolves when all runs are over. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#init.jobs }, () => this.#keepBusy()))
  }

  /** Begins no more runs; those under way come to their end. */
  stop(): void {
    this.#queue.length = 0
  }

  /** Runs workers one after the other until there is nothing left to do. */
  async #keepBusy(): Promise<void> {
    while (this.#queue.length > 0) {
      const name = this.#starts++
      await this.#runWorker(name)
    }
  }

  #runWorker(name: number): Promise<void> {
    return new Promise(resolve => {
      const child = fork(join(import.meta.dirname, 'worker.ts'), { execArgv: process.execArgv })
      child.on('message', (message: 'ready' | Reply) => {
        const job = this.#running.get(child)
        this.#running.delete(child)
        if (message !== 'ready' && job !== undefined) this.#init.onReply(job.seed, message, job.isRepeat)
        this.#give(child, name)
      })
      child.on('exit', (code, signal) => {
        const job = this.#running.get(child)
        this.#running.delete(child)
        if (job !== undefined) {
          const error = `the process of the run ended with ${signal ?? `exit code ${code}`}`
          this.#init.onReply(job.seed, { error }, job.isRepeat)
        }
        resolve()
      })
    })
  }

  #give(child: ChildProcess, name: number): void {
    const job = this.#next(name)
    if (job === undefined) {
      // A worker that did all it may do itself is followed by one that may do the rest.
      child.disconnect()
      return
    }
    if (!job.isRepeat) this.#ranIn.set(job.seed, name)
    this.#running.set(child, job)
    child.send(job satisfies Order)
  }

  #next(name: number): Job | undefined {
    const index = this.#queue.findIndex(({ seed, isRepeat }) => !isRepeat || this.#ranIn.get(seed) !== name)
    return index < 0 ? undefined : this.#queue.splice(index, 1)[0]
  }
}
