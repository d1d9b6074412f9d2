/**
 * The transfers of one member that are under way, as the status shows them and events tell of them. Used by the
 * mover.
 */
import type { TransferEvent, TransferStatus } from '../../api.ts'
import type { Clock } from '../ports.ts'
import { noProgress, recordsLeft, type SessionProgress } from './progress.ts'
import { Rate } from './rate.ts'

export type TransferKind = TransferStatus['kind']

/** Between two events of a transfer that goes on, in ms: a person can read no faster. */
const tellEveryMs = 1_000

export interface TransfersComponents {
  readonly clock: Clock
  readonly onTransfer?: ((event: TransferEvent) => void) | undefined
}

export interface TransfersInit {
  /** Who moves the records. */
  readonly peerId: string
}

export class Transfers {
  readonly #components: TransfersComponents
  readonly #peerId: string
  /** In the order in which they began. */
  readonly #underWay = new Set<Transfer>()

  constructor(components: TransfersComponents, { peerId }: TransfersInit) {
    this.#components = components
    this.#peerId = peerId
  }

  /** Shows a transfer while the work is under way. */
  async during<T>(kind: TransferKind, work: (progress: SessionProgress) => Promise<T>): Promise<T> {
    const transfer = new Transfer(this.#components, { peerId: this.#peerId, kind })
    this.#underWay.add(transfer)
    try {
      return await work(transfer.progress)
    } finally {
      this.#underWay.delete(transfer)
      transfer.end()
    }
  }

  /** A session with a neighbour is worth showing only where it found something to move. */
  status(): TransferStatus[] {
    return [...this.#underWay]
      .map(transfer => transfer.status())
      .filter(({ kind, records, recordsLeft: left }) => kind !== 'reconcile' || records + left > 0)
  }
}

class Transfer {
  readonly progress = noProgress(() => this.#changed())
  readonly #components: TransfersComponents
  readonly #about: Pick<TransferStatus, 'peerId' | 'kind'>
  readonly #rate: Rate
  /** Monotonic time in ms; undefined while there was nothing to tell. */
  #toldAtMs: number | undefined

  constructor(components: TransfersComponents, about: Pick<TransferStatus, 'peerId' | 'kind'>) {
    this.#components = components
    this.#about = about
    this.#rate = new Rate(components)
  }

  status(): TransferStatus {
    const { progress } = this
    const { records, bytes, waitsFor = null } = progress
    const left = recordsLeft(progress)
    const bytesPerSecond = Math.round(this.#rate.perSecond(bytes))
    const isToldBy = left > 0 && records > 0 && bytesPerSecond > 0
    return {
      ...this.#about,
      records,
      bytes,
      recordsLeft: left,
      bytesPerSecond,
      secondsLeft: isToldBy ? Math.ceil((left * bytes) / records / bytesPerSecond) : null,
      waitsFor
    }
  }

  end(): void {
    if (this.#toldAtMs !== undefined) this.#tell('ended')
  }

  #changed(): void {
    const { progress } = this
    this.#rate.note(progress.bytes)
    if (this.#toldAtMs === undefined) {
      if (progress.records + progress.left > 0 || progress.waitsFor !== undefined) this.#tell('began')
    } else if (this.#components.clock.monotonic() - this.#toldAtMs >= tellEveryMs) this.#tell('progress')
  }

  #tell(phase: TransferEvent['phase']): void {
    this.#toldAtMs = this.#components.clock.monotonic()
    this.#components.onTransfer?.({ ...this.status(), phase })
  }
}
