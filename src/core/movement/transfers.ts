/** The transfers of one member that are under way, as the status shows them. Used by the mover. */
import type { TransferStatus } from '../../api.ts'
import type { Clock } from '../ports.ts'
import { noProgress, type SessionProgress } from './progress.ts'

export type TransferKind = TransferStatus['kind']

interface Transfer {
  readonly kind: TransferKind
  readonly progress: SessionProgress
  readonly sinceMs: number
}

export interface TransfersInit {
  /** Who moves the records. */
  readonly peerId: string
}

export class Transfers {
  readonly #clock: Clock
  readonly #peerId: string
  /** In the order in which they began. */
  readonly #underWay = new Set<Transfer>()

  constructor(components: { readonly clock: Clock }, { peerId }: TransfersInit) {
    this.#clock = components.clock
    this.#peerId = peerId
  }

  /** Shows a transfer while the work is under way. */
  async during<T>(kind: TransferKind, work: (progress: SessionProgress) => Promise<T>): Promise<T> {
    const transfer = { kind, progress: noProgress(), sinceMs: this.#clock.monotonic() }
    this.#underWay.add(transfer)
    try {
      return await work(transfer.progress)
    } finally {
      this.#underWay.delete(transfer)
    }
  }

  /** A session with a neighbour is worth showing only where it found something to move. */
  status(): TransferStatus[] {
    return [...this.#underWay]
      .filter(({ kind, progress }) => kind !== 'reconcile' || progress.records + progress.left > 0)
      .map(({ kind, progress, sinceMs }) => ({
        peerId: this.#peerId,
        kind,
        records: progress.records,
        bytes: progress.bytes,
        recordsLeft: progress.left,
        bytesPerSecond: Math.round((progress.bytes * 1000) / Math.max(1, this.#clock.monotonic() - sinceMs)),
        waitsFor: progress.waitsFor ?? null
      }))
  }
}
