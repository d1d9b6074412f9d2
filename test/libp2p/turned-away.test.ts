import { describe, expect, it } from 'vitest'
import { tellEveryMs, TurnedAway } from '../../src/libp2p/turned-away.ts'

describe('those who are turned away', () => {
  it('are told of at once, and then once a minute with how many they were', () => {
    let nowMs = 5
    const told: [string, number, string][] = []
    const turnedAway = new TurnedAway({ tell: (...what) => told.push(what), now: () => nowMs })
    for (const peerId of ['a', 'b', 'c']) turnedAway.add(peerId, 'x')
    expect(told).toEqual([['a', 1, 'x']])
    nowMs += tellEveryMs - 1
    turnedAway.add('d', 'x')
    expect(told).toHaveLength(1)
    nowMs += 1
    turnedAway.add('e', 'y')
    expect(told).toEqual([
      ['a', 1, 'x'],
      ['e', 4, 'y']
    ])
  })
})
