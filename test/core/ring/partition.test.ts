import { describe, expect, it } from 'vitest'
import { sameMember } from '../../../src/core/member.ts'
import { partition } from '../../../src/core/ring/difference.ts'
import { Partition } from '../../../src/core/ring/partition.ts'
import { Ring } from '../../../src/core/ring/ring.ts'
import { memberOf } from './reference.ts'

const ringOf = (...indexes: number[]): Ring<ReturnType<typeof memberOf>> =>
  Ring.of(indexes.map(index => memberOf(index, 8)))

const [five, six, others] = [ringOf(0, 1, 2, 3, 4), ringOf(0, 1, 2, 3, 4, 5), ringOf(2, 3, 6, 7)]
const pairs = [
  [five, five],
  [five, six],
  [six, five],
  [five, others],
  [ringOf(), five],
  [five, ringOf()]
] as const

describe('a partition of the ring', () => {
  it.each(pairs)('has the segments that a list of all has (pair %#)', (before, after) => {
    for (const count of [1, 3, 9]) {
      const [made, listed] = [new Partition(before, after, count), partition(before, after, count)]
      expect(made.size).toBe(listed.length)
      expect([...made]).toEqual(listed)
      expect(listed.map((_, number) => made.at(number))).toEqual(listed)
    }
  })

  it.each(pairs)('knows of each member where it is a replica (pair %#)', (before, after) => {
    for (const count of [1, 3, 9]) {
      const made = new Partition(before, after, count)
      for (let index = 0; index < 9; index++) {
        const member = memberOf(index, 8)
        const numbers = [...made].flatMap((segment, number) =>
          [...segment.before, ...segment.after].some(replica => sameMember(replica, member)) ? [number] : []
        )
        expect([...made.placesOf(member)]).toEqual(numbers)
      }
    }
  })
})
