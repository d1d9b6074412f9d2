/** What is judged where most acceptors were lost for good: only what had too few copies elsewhere may be lost. */
import { describe, expect, it } from 'vitest'
import { formatPosition, positionOf } from '../../src/core/ring/position.ts'
import { Ring } from '../../src/core/ring/ring.ts'
import { SimulatedCluster } from './cluster.ts'
import { get, operation, put, theKey } from './operations.ts'
import { SeededRandom } from './random.ts'
import { checkHistory, type Guarantee } from './run/checker.ts'
import { GreatLoss } from './run/great-loss.ts'
import { checkDurability, readDisks } from './run/guarantees/cluster.ts'
import { checkCopiedFirst, checkReadsOfLeft, checkSurvival, judgedApart } from './run/guarantees/survival.ts'
import type { Operation } from './run/history.ts'
import { fill, untilDown } from './scenario.ts'

/** Most are lost at 100, and what is left is copied at 200. */
const loss = { atMs: 100, untilMs: 200, mayLose: (key: string) => key === theKey }

const broken = (...operations: Operation[]): Guarantee[] =>
  judgedApart(operations, loss).flatMap(apart => checkHistory(apart).map(({ guarantee }) => guarantee))

describe('of a key that lost too many of its replicas', () => {
  const [older, newer] = [put(10, 'a', '1'), put(20, 'b', '2')]

  it('writes may be gone, or an older one be there again', () => {
    expect(broken(older, newer, get(30, 'b', '2'), get(300, 'a', '1'))).toEqual([])
    expect(broken(older, newer, get(300))).toEqual([])
    expect(broken(older, newer, put(150, 'c', '3'), get(160, 'c', '3'), get(300, 'b', '2'))).toEqual([])
  })

  it('all is judged as ever before the loss', () => {
    expect(broken(older, newer, get(30, 'a', '1'))).toEqual(['G4'])
  })

  it('all is judged from when the survivors have copied what is left', () => {
    expect(broken(older, newer, get(300, 'b', '2'), get(310, 'a', '1'))).toEqual(['G4'])
    expect(broken(older, put(300, 'c', '3'), get(310, 'a', '1'))).toEqual(['G4'])
    expect(broken(older, get(300, 'x', '7'))).toEqual(['G4'])
  })

  it('what was refused as having no effect is never seen', () => {
    const refused = put(50, 'r', '2', { outcome: 'refused', version: undefined })
    expect(broken(refused, get(300, 'r', '2'))).toContain('G9')
  })

  it('nothing before must be durable, and all after', () => {
    const last = judgedApart([newer, put(300, 'c', '3')], loss).at(-1)!
    expect(last.filter(({ outcome }) => outcome === 'ok').map(({ value }) => value)).toEqual(['c'])
  })
})

describe('of what survivors had a copy of', () => {
  const judged = (...operations: Operation[]): Guarantee[] =>
    checkReadsOfLeft(operations, { atMs: 100, left: new Map([[nameOf(theKey), '2']]) }).map(
      ({ guarantee }) => guarantee
    )

  it('no get is answered with anything older after the loss', () => {
    expect(judged(get(90, 'a', '1'), get(300, 'b', '2'), get(310, 'c', '3'))).toEqual([])
    expect(judged(get(150, 'a', '1'))).toEqual(['G3'])
    expect(judged(get(300))).toEqual(['G3'])
  })

  it('a get may find nothing where it was deleted since', () => {
    const removal = operation(250, { kind: 'delete', outcome: 'unknown' })
    expect(judged(removal, get(300))).toEqual([])
    expect(judged(removal, get(300, 'a', '1'))).toEqual(['G3'])
  })
})

it('of a key that kept enough of its replicas nothing may be lost', () => {
  const init = { key: 'kept' }
  expect(broken(put(10, 'a', '1', init), put(20, 'b', '2', init), get(300, 'a', '1', init))).toEqual(['G4'])
})

describe('what survivors had when they answer for it again', () => {
  const left = new Map([[nameOf(theKey), '2']])

  it('is on a quorum of the disks', () => {
    const scarce = new Map([[nameOf(theKey), 1]])
    expect(checkCopiedFirst({ left, scarce: new Map() })).toEqual([])
    expect(checkCopiedFirst({ left, scarce }).map(({ guarantee }) => guarantee)).toEqual(['G3'])
  })

  it('is looked at as soon as they do', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 3 })
    await fill(cluster, 30)
    await cluster.time.run(1_000)
    const victims = cluster.peers.slice(2)
    const ring = Ring.of(cluster.peers[0]!.core.membersNow())
    const great = await GreatLoss.of(cluster, { victims, ring, replicas: 3 })
    const happening = great.happen(new SeededRandom(1), 20_000)
    // A survivor's disk that is emptied behind its back stands for one that has not copied anything.
    const survivor = cluster.peers[0]!
    survivor.disk.onKeep = records => {
      for (const { position } of records) cluster.time.after(0, () => survivor.disk.holdings.gone(position))
    }
    await cluster.time.settle(happening)
    expect(great.scarce.size).toBeGreaterThan(0)
    await cluster.stop()
  })
})

describe('a great loss', () => {
  it('may lose what the restore says is gone or at risk, and of this what no survivor had', async () => {
    const cluster = await SimulatedCluster.of(5, { seed: 3 })
    const records = await fill(cluster, 60)
    await cluster.time.run(1_000)
    const [asked] = cluster.peers
    const victims = cluster.peers.slice(2)
    const ring = Ring.of(asked!.core.membersNow())
    const great = await GreatLoss.of(cluster, { victims, ring, replicas: 3 })
    const happening = great.happen(new SeededRandom(1), 20_000)
    await untilDown(cluster, asked!, victims)
    const survivors = cluster.peers.slice(0, 2).map(({ peerId }) => peerId)
    const { gone, atRisk } = await cluster.time.settle(asked!.core.restore(survivors))
    const mayBeLost = [...records.keys()].filter(key => great.mayLose(key))
    expect(Math.abs(mayBeLost.length / records.size - gone - atRisk)).toBeLessThan(0.1)
    await cluster.time.settle(happening)
    for (const peer of cluster.peers) await cluster.ready(peer)
    await cluster.time.run(60_000)
    const disks = await readDisks(cluster)
    expect(checkSurvival(disks, [], great)).toEqual([])
    expect([...great.scarce]).toEqual([])
    // Of some of what may be lost there is a copy, and of some there is none.
    const left = mayBeLost.filter(key => great.left.has(nameOf(key)))
    expect(left.length).toBeGreaterThan(0)
    expect(left.length).toBeLessThan(mayBeLost.length)
    const newer = new Map([...great.left].map(([position]) => [position, '9'.repeat(16)]))
    expect(checkSurvival(disks, [], { left: newer })).toHaveLength(left.length)
    expect(
      checkSurvival(disks, [operation(300, { kind: 'delete', key: left[0]! })], { left: newer })
    ).toHaveLength(left.length - 1)
    const puts = mayBeLost.map(key => put(10, 'a', '9'.repeat(16), { key }))
    expect(checkDurability(disks, puts)).toHaveLength(mayBeLost.length)
    expect(checkDurability(disks, judgedApart(puts, great).at(-1)!)).toEqual([])
    await cluster.stop()
  })
})

function nameOf(key: string): string {
  return formatPosition(positionOf(new TextEncoder().encode(key)))
}
