/**
 * Since when nothing was done to a simulated cluster that could delay, lose or repeat what its members send: only
 * changes of who is there. Told of each fault by the run; used where a guarantee is judged to the byte.
 */
import type { VirtualTime } from '../clock.ts'
import type { FaultPhase } from './nemesis.ts'
import { quietKinds, type FaultKind, type SimulationSettings } from './settings.ts'

export class Quiet {
  readonly #time: VirtualTime
  /** The network and the disks do nothing by themselves. */
  readonly #mayBe: boolean
  #faults = 0
  #lastMs = -Infinity

  constructor(time: VirtualTime, { network, disk }: Pick<SimulationSettings, 'network' | 'disk'>) {
    this.#time = time
    this.#mayBe = network.loss === 0 && network.duplicate === 0 && disk.failRate === 0
  }

  /** In virtual ms; Infinity while it is not quiet. */
  get sinceMs(): number {
    return this.#mayBe && this.#faults === 0 ? this.#lastMs : Infinity
  }

  fault(kind: FaultKind, phase: FaultPhase): void {
    if (quietKinds.has(kind) || phase === 'is skipped') return
    this.#faults += phase === 'begins' ? 1 : -1
    this.#lastMs = this.#time.nowMs
  }
}
