/**
 * What a ring costs: a lookup of a key's replicas, with its position known and with the hash of its key, a
 * join, and what changes hands by it. Run with `node benchmarks/ring.ts`.
 */
import { hash } from 'node:crypto'
import { difference } from '../../src/core/ring/difference.ts'
import { positionOf } from '../../src/core/ring/position.ts'
import { Ring } from '../../src/core/ring/ring.ts'
import { peerIdOf } from '../../test/support/peer-ids.ts'
import type { RingMember } from '../../src/core/member.ts'

const vnodes = 128
const copies = 3
/** More than fit in a processor's cache together with what they touch of the ring. */
const keyCount = 200_000
const rounds = 5
/** Joins measured for each size, of which the median is shown. */
const joinCount = 15

function memberOf(index: number): RingMember {
  return { peerId: peerIdOf(index), life: '0000000000000001', vnodes }
}

function timed<T>(run: () => T): { ms: number; result: T } {
  const start = process.hrtime.bigint()
  const result = run()
  return { ms: Number(process.hrtime.bigint() - start) / 1e6, result }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

/** Ns of each lookup, the first round, which fills the lists, and the median of the others. */
function lookups(run: (index: number) => unknown): { first: number; median: number } {
  const nanoseconds = Array.from({ length: rounds + 1 }, () => {
    const { ms } = timed(() => {
      for (let i = 0; i < keyCount; i++) run(i)
    })
    return (ms * 1e6) / keyCount
  })
  return { first: nanoseconds[0]!, median: median(nanoseconds.slice(1)) }
}

const keys = Array.from({ length: keyCount }, (_, i) => hash('sha256', `key ${i}`, 'buffer'))
const positions = keys.map(positionOf)

for (const peers of [10, 100, 1000]) {
  const { ms: foundedMs, result: ring } = timed(() =>
    Ring.of(Array.from({ length: peers }, (_, i) => memberOf(i)))
  )
  const byPosition = lookups(i => ring.replicas(positions[i]!, copies))
  const byKey = lookups(i => ring.replicas(positionOf(keys[i]!), copies))
  const joins = Array.from({ length: joinCount }, (_, i) => {
    const joined = timed(() => ring.with({ add: [memberOf(peers + i)] }))
    const left = timed(() => ring.with({ remove: [ring.members[(i * 7) % peers]!] }))
    const changed = timed(() => difference(ring, joined.result, copies))
    return { joinMs: joined.ms, leaveMs: left.ms, differenceMs: changed.ms }
  })
  console.log(
    [
      `${peers} peers x ${vnodes} vnodes:`,
      `lookup ${byPosition.median.toFixed(0)} ns (${byPosition.first.toFixed(0)} the first time),`,
      `${byKey.median.toFixed(0)} ns with the key's hash;`,
      `made anew ${foundedMs.toFixed(1)} ms,`,
      `join ${median(joins.map(join => join.joinMs)).toFixed(2)} ms,`,
      `leave ${median(joins.map(join => join.leaveMs)).toFixed(2)} ms,`,
      `difference ${median(joins.map(join => join.differenceMs)).toFixed(2)} ms`
    ].join(' ')
  )
}
