/** The records of a simulated disk in which a bit has flipped. Its store knows of them when it has looked at them. */
import { DamagedRecordError } from '../../src/core/ports.ts'
import { slotOf } from '../../src/core/record/fingerprints.ts'
import type { RecordHead } from '../../src/core/record/record.ts'
import { compareVersions } from '../../src/core/record/version.ts'
import { formatPosition } from '../../src/core/ring/position.ts'
import type { MemoryStore } from '../../src/storage/memory.ts'

/** Where the bit is: who looks at the head alone does not see one in the value. */
export type DamagedPart = 'head' | 'value'

interface Damage {
  readonly part: DamagedPart
  readonly head: RecordHead
}

export class Damages {
  readonly #contents: MemoryStore
  /** By position, in hex. */
  readonly #damages = new Map<string, Damage>()

  /** Of the records that lie in these contents as if nothing had happened to them. */
  constructor(contents: MemoryStore) {
    this.#contents = contents
  }

  get size(): number {
    return this.#damages.size
  }

  add(position: Uint8Array, part: DamagedPart): void {
    // Memory answers before anything else happens.
    void this.#contents.head(position).then(head => {
      if (head !== undefined) this.#damages.set(formatPosition(position), { part, head })
    })
  }

  /** The record was dropped or repaired. */
  delete(position: Uint8Array): void {
    this.#damages.delete(formatPosition(position))
  }

  clear(): void {
    this.#damages.clear()
  }

  /** Whether a look at the head shows it: the store knows of it then. */
  showsIn(position: Uint8Array): boolean {
    return this.#look(position, ({ part }) => part === 'head')
  }

  /** Whether reading all of the record shows it; likewise. */
  isIn(position: Uint8Array): boolean {
    return this.#look(position, () => true)
  }

  /** Throws where a look at the head shows it. */
  ensureSoundHead(position: Uint8Array): void {
    if (this.showsIn(position)) throw damaged(position)
  }

  /** Throws where reading all of the record shows it. */
  ensureSound(position: Uint8Array): void {
    if (this.isIn(position)) throw damaged(position)
  }

  /** All of these slots are read. Gives in how many records it shows that did not show before. */
  noticeWithin(first: number, end: number): number {
    const { fingerprints } = this.#contents
    let found = 0
    for (const { head } of this.#damages.values()) {
      const slot = slotOf(head.position)
      if (slot < first || slot >= end || fingerprints.isDamaged(head.position)) continue
      fingerprints.damage(head)
      found++
    }
    return found
  }

  /** A write came to this position: where it replaced a value that nobody had found damaged, that is over. */
  async written(position: Uint8Array): Promise<void> {
    const damage = this.#damages.get(formatPosition(position))
    if (damage === undefined) return
    const held = await this.#contents.head(position)
    if (compareVersions(held?.version, damage.head.version) !== 0) this.delete(position)
  }

  #look(position: Uint8Array, shows: (damage: Damage) => boolean): boolean {
    const damage = this.#damages.size > 0 ? this.#damages.get(formatPosition(position)) : undefined
    if (damage === undefined) return false
    const { fingerprints } = this.#contents
    // What was found once counts as damaged, whoever asks for whatever part.
    if (!shows(damage) && !fingerprints.isDamaged(position)) return false
    fingerprints.damage(damage.head)
    return true
  }
}

function damaged(position: Uint8Array): DamagedRecordError {
  return new DamagedRecordError(position, 'a bit was flipped')
}
