import { describe, expect, test } from 'vitest'
import type { MemberLiveness } from '../../../src/api.ts'
import type { Claim } from '../../../src/core/liveness/claim.ts'
import { maxRumourBytes } from '../../../src/core/liveness/defaults.ts'
import { PiggybackQueue, retransmits } from '../../../src/core/liveness/piggyback.ts'
import { RumourQueue } from '../../../src/core/liveness/rumours.ts'
import { Ack } from '../../../src/wire/generated/messages.ts'
import { memberNamed } from './harness.ts'

describe('what travels along with messages (SWIM, section 4.1)', () => {
  test('each item goes out so many times, those sent least often first and then the newest', () => {
    const queue = new PiggybackQueue<string>({ limit: 10 })
    queue.add('old', 1)
    queue.add('middle', 1)
    expect(queue.take(1, 2)).toEqual(['middle'])
    queue.add('new', 1)
    expect(queue.take(2, 2)).toEqual(['new', 'old'])
    expect(queue.take(10, 2)).toEqual(['new', 'middle', 'old'])
    expect(queue.size).toBe(0)
  })

  test('an item too large for what is left makes way for a smaller one', () => {
    const queue = new PiggybackQueue<string>({ limit: 10 })
    queue.add('small', 2)
    queue.add('large', 9)
    queue.add('middle', 5)
    expect(queue.take(8, 3)).toEqual(['middle', 'small'])
  })

  test('a full queue lets go of what was told most often', () => {
    const queue = new PiggybackQueue<number>({ limit: 2 })
    queue.add(1, 1)
    queue.take(1, 5)
    queue.add(2, 1)
    queue.add(3, 1)
    expect(queue.take(9, 5)).toEqual([3, 2])
  })

  test.each([
    [2, 2],
    [3, 3],
    [5, 4],
    [10, 5],
    [100, 9],
    [1_000, 13]
  ])('among %i peers an item is passed on %i times', (members, times) => {
    expect(retransmits(4, members)).toBe(times)
  })
})

describe('the queue of rumours', () => {
  test('keeps only the newest of a member', () => {
    const queue = new RumourQueue()
    queue.add(memberNamed(1), claim('suspect', 0), memberNamed(2))
    queue.add(memberNamed(3), claim('down', 0))
    queue.add(memberNamed(1), claim('alive', 1))
    expect(queue.take(1).map(({ member, incarnation }) => [member, incarnation])).toEqual([
      [memberNamed(1), 1],
      [memberNamed(3), 0]
    ])
  })

  test('keeps the accusers of one incarnation side by side, each once', () => {
    const queue = new RumourQueue()
    for (const accuser of [2, 3, 2]) queue.add(memberNamed(1), claim('suspect', 0), memberNamed(accuser))
    expect(queue.take(1).map(({ from }) => from)).toEqual([memberNamed(2), memberNamed(3)])
  })

  test('never fills a message beyond its bytes', () => {
    const queue = new RumourQueue()
    for (let i = 0; i < 100; i++) queue.add(memberNamed(i), claim('suspect', 7), memberNamed(i + 1))
    const rumours = queue.take(3)
    expect(rumours.length).toBeGreaterThan(4)
    expect(Ack.encode({ reached: true, rumours, addresses: [] }).byteLength).toBeLessThan(maxRumourBytes + 8)
  })
})

function claim(liveness: MemberLiveness, incarnation: number): Claim {
  return { liveness, boot: 1, incarnation }
}
