import { describe, expect, it } from 'vitest'
import { tellEveryMs, TurnedAway } from '../../src/libp2p/turned-away.ts'

describe('those who are turned away', () => {
  it('are told of at once, and then once a minute with how many they were', () => {
    let nowMs = 5
    const told: [string, number][] = []
    const turnedAway = new TurnedAway({ tell: (...what) => told.push(what), now: () => nowMs })
    for (const peerId of ['a', 'b', 'c']) turnedAway.add(peerId)
    expect(told).toEqual([['a', 1]])
    nowMs += tellEveryMs - 1
    turnedAway.add('d')
    expect(told).toHaveLength(1)
    nowMs += 1
    turnedAway.add('e')
    expect(told).toEqual([
      ['a', 1],
      ['e', 4]
    ])
  })
})
