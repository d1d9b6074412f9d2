/**
 * Puts the changes that arrive while one batch is being made durable into the next: one fsync for all of
 * them. Batches go one at a time, and a change is decided only when its batch is built, against a database
 * that holds all batches before; so decisions need no locks, and nothing that is pending is ever read.
 */
import { StoreError } from '../core/ports.ts'

/** Bytes of changes after which a batch takes no more, so that the first in it does not wait for too many. */
const maxBatchBytes = 4 * 1024 * 1024

export interface Change<Batch, Result> {
  /** About how much it writes, in bytes. */
  readonly bytes: number
  /** Adds what it writes to the batch. Where it throws, its promise rejects so; what it added stands. */
  readonly decide: (batch: Batch) => Result
}

export interface GroupCommitInit<Batch> {
  begin(): Promise<Batch>
  /** Makes a batch durable, whole or not at all. */
  commit(batch: Batch): Promise<void>
}

/** A change in the queue. */
interface Shared<Batch> {
  readonly bytes: number
  /** Returns what settles its promise when the batch is durable. */
  readonly decide: (batch: Batch) => () => void
  readonly fail: (error: StoreError) => void
}

/** An action in the queue that wants no batch under way. Never rejects. */
interface Alone {
  readonly run: () => Promise<void>
}

export class GroupCommit<Batch> {
  readonly #init: GroupCommitInit<Batch>
  #queue: Array<Shared<Batch> | Alone> = []
  #running: Promise<void> | undefined
  #closed = false

  constructor(init: GroupCommitInit<Batch>) {
    this.#init = init
  }

  /** Resolves with the decision when it is durable; rejects with StoreError where its batch fails. */
  submit<Result>({ bytes, decide }: Change<Batch, Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#enqueue({
        bytes,
        decide: batch => {
          try {
            const result = decide(batch)
            return () => resolve(result)
          } catch (error) {
            // A refusal may rest on others of its batch, so it waits for it like they do.
            return () => reject(error)
          }
        },
        fail: reject
      })
    })
  }

  /** Runs an action after all that was submitted before it and before all that comes later. */
  alone<Result>(action: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ run: () => action().then(resolve, reject) })
    })
  }

  /** Refuses what comes from now on; resolves when all that was submitted is settled. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  #enqueue(entry: Shared<Batch> | Alone): void {
    if (this.#closed) throw new StoreError('the store is closed')
    this.#queue.push(entry)
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      // What else this turn of the event loop brings shares the batch: the other frames of one read, and
      // the next changes of those whose promises the last batch settled.
      await new Promise(resolve => setImmediate(resolve))
      const first = this.#queue[0]!
      if ('run' in first) {
        this.#queue.shift()
        await first.run()
      } else {
        await this.#commit(this.#takeBatch())
      }
    }
    this.#running = undefined
  }

  #takeBatch(): Array<Shared<Batch>> {
    const changes: Array<Shared<Batch>> = []
    let bytes = 0
    for (const entry of this.#queue) {
      if ('run' in entry || bytes >= maxBatchBytes) break
      changes.push(entry)
      bytes += entry.bytes
    }
    this.#queue.splice(0, changes.length)
    return changes
  }

  async #commit(changes: ReadonlyArray<Shared<Batch>>): Promise<void> {
    try {
      const batch = await this.#init.begin()
      const settles = changes.map(change => change.decide(batch))
      await this.#init.commit(batch)
      for (const settle of settles) settle()
    } catch (error) {
      const failure = asStoreError(error)
      for (const change of changes) change.fail(failure)
    }
  }
}

/** Any failure of the disk as the error of the port. */
export function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  return new StoreError(error instanceof Error ? error.message : String(error), { cause: error })
}
