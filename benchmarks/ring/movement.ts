/** How much changes hands when a peer joins, against the least that has to: N/(n + 1) copies of each key. */
import { copies, type Contender } from './contenders.ts'

const joins = 10

export interface RingMovement {
  readonly name: string
  readonly peers: number
  /** Copies of each key that got another holder by a join, on average. */
  readonly moved: number
  /** Of these, those that went to peers that were there before: nothing has to. */
  readonly toOthers: number
  readonly theory: number
}

/** One join after the other to `peers` peers; theory is the mean of that many joins. */
export function movement(contender: Contender, peers: number, keys: readonly string[]): RingMovement {
  let ring = contender.make(peers)
  let before = keys.map(key => ring.lookup(key))
  let moved = 0
  let toOthers = 0
  let theory = 0
  for (let i = 0; i < joins; i++) {
    const known = new Set(before.flat())
    ring = ring.join(peers + i)
    const after = keys.map(key => ring.lookup(key))
    for (const [index, holders] of after.entries()) {
      const taken = holders.filter(holder => !before[index]!.includes(holder))
      moved += taken.length
      toOthers += taken.filter(holder => known.has(holder)).length
    }
    theory += Math.min(copies, peers) / (peers + i + 1)
    before = after
  }
  const each = (count: number): number => count / keys.length / joins
  return { name: contender.name, peers, moved: each(moved), toOthers: each(toOthers), theory: theory / joins }
}
