/** What Annulus is compared with: each file in systems/ has one. */
import type { Belongings } from '../harness/belongings.ts'

export interface System {
  /** As `--only` and `ratios` call it. */
  readonly name: string
  /** What an answered put means there, and what a get: figures of unlike promises do not compare by themselves. */
  readonly promise: string
  /** So many times its rate Annulus is meant to have; left out where it is not meant to compete. */
  readonly targets: Readonly<Partial<Record<Operation, number>>>
  /** Why it cannot be started and what would help, in a sentence; undefined where it can. */
  missing(): string | undefined
  start(init: StartInit): Promise<RunningSystem>
}

export interface StartInit {
  /** For its processes and files; taken away after it was disposed of. */
  readonly belongings: Belongings
  readonly signal: AbortSignal
  readonly replicas: number
  /** The most operations that will be under way at once. */
  readonly maxInFlight: number
}

/** A system that serves, and a client in this process. Disposing of it closes the client. */
export interface RunningSystem extends AsyncDisposable {
  put(key: string, value: Uint8Array): Promise<unknown>
  /** Throws where there is no such key. */
  get(key: string): Promise<unknown>
}

export const operations = ['put', 'get'] as const
export type Operation = (typeof operations)[number]

export class KeyMissingError extends Error {
  override readonly name = 'KeyMissingError'

  constructor(key: string) {
    super(`${key} is not there`)
  }
}
