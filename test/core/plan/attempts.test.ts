/** What a plan asks for, and when it begins anew; with what it counts made up. */
import { describe, expect, it } from 'vitest'
import type { Change } from '../../../src/api.ts'
import { EpochMovedError } from '../../../src/core/movement/ask.ts'
import type { Measure } from '../../../src/core/plan/measure.ts'
import { planChange } from '../../../src/core/plan/plan.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { contains, type Range } from '../../../src/core/ring/range.ts'
import { peerIdOf } from '../../support/peer-ids.ts'
import { failureOf } from '../requests/fakes.ts'
import { id, run } from '../topology/script.ts'

const leave: Change = { kind: 'leave', peerId: id('c').peerId }
const joins: Change = { kind: 'join', peerId: peerIdOf(20), vnodes: 8 }
const still = run('found a; open +b +c +d +e; close')
const changing = run('found a; open +b +c +d +e; close; open +f -b')

/** One record of one byte in each range; keeps the ranges asked for. */
function counting(): { readonly measure: Measure; readonly asked: Range[] } {
  const asked: Range[] = []
  const measure: Measure = ({ ranges }) => {
    asked.push(...ranges)
    return Promise.resolve({ amounts: ranges.map(() => ({ records: 1, bytes: 1 })), after: undefined })
  }
  return { measure, asked }
}

describe('the ranges that a plan asks for', () => {
  it.each([
    ['a leave', leave],
    ['a join', joins]
  ])(
    'lie for %s each with the same members of the ring before, also while that changes',
    async (_, change) => {
      const { before } = changing
      const { measure, asked } = counting()
      const plan = await planChange({ topology: () => Promise.resolve(changing), measure }, change)
      expect(plan.isUnderWay).toBe(true)
      expect(asked.length).toBeGreaterThan(1)
      for (const range of asked) {
        const within = Array.from({ length: before.layout.size }, (_unused, i) =>
          before.layout.token(i)
        ).filter(token => contains(range, token) && Buffer.compare(token, range.end) !== 0)
        expect(within).toEqual([])
      }
    }
  )

  it('cover the keys that get another replica once, and no others', async () => {
    const { measure, asked } = counting()
    await planChange({ topology: () => Promise.resolve(changing), measure }, leave)
    const next = changing.after!.with({ remove: [changing.currentLifeOf(id('c').peerId)!] })
    for (let i = 0; i < 500; i++) {
      const position = positionOf(new TextEncoder().encode(`key ${i}`))
      const old = changing.after!.replicas(position, 3)
      const takes = next.replicas(position, 3).some(member => !old.includes(member))
      expect(asked.filter(range => contains(range, position))).toHaveLength(takes ? 1 : 0)
    }
  })
})

describe('a plan', () => {
  it('begins anew on the members that there are now when they changed while it counted', async () => {
    const { measure } = counting()
    const topologies = [still, changing]
    let current = topologies[0]!
    const topology = (): Promise<typeof still> => Promise.resolve((current = topologies.shift()!))
    const plan = await planChange(
      {
        topology,
        measure: (question, epoch) => {
          expect(epoch).toBe(current.epoch)
          return current === still ? Promise.reject(new EpochMovedError('moved')) : measure(question, epoch)
        }
      },
      leave
    )
    expect(plan.epoch).toBe(changing.epoch)
  })

  it('is given up when they change again and again, and at once where anything else fails', async () => {
    let attempts = 0
    const failing = (error: Error): Promise<unknown> => {
      attempts = 0
      const measure: Measure = () => {
        attempts++
        return Promise.reject(error)
      }
      return failureOf(planChange({ topology: () => Promise.resolve(still), measure }, leave))
    }
    expect(await failing(new EpochMovedError('moved'))).toMatchObject({ code: 'ERR_UNREACHABLE' })
    expect(attempts).toBeGreaterThan(1)
    const other = new Error('the disk is gone')
    expect(await failing(other)).toBe(other)
    expect(attempts).toBe(1)
  })

  it('expects no more than one copy of everything of a member that is far larger than the others', async () => {
    const { measure } = counting()
    const change: Change = { kind: 'join', peerId: peerIdOf(20), vnodes: 1_024 }
    const plan = await planChange({ topology: () => Promise.resolve(still), measure }, change)
    expect(plan.expectedShare).toBeCloseTo(1 / 3, 9)
    expect(plan.share).toBeLessThanOrEqual(1 / 3)
  })
})
