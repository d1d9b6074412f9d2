import { describe, expect, it } from 'vitest'
import type { Logger } from '../../../src/core/ports.ts'
import { maxLines, maxRefusedPeers, Refusals, tellEveryMs } from '../../../src/core/requests/refusals.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { silent } from '../topology/fakes.ts'

function make() {
  const time = new VirtualTime()
  const lines: unknown[] = []
  const logger: Logger = { ...silent, warn: (what, fields) => void lines.push({ what, ...fields }) }
  return { time, lines, refusals: new Refusals({ clock: new VirtualClock(time), logger }) }
}

describe('what is refused', () => {
  it('is counted by who said it and what was wrong', () => {
    const { refusals } = make()
    refusals.note('a', 'malformed', 'no record')
    refusals.note('b', 'role', 'only peers may ask this')
    refusals.note('a', 'forged', 'somebody else’s ballot')
    refusals.note('a', 'malformed', 'no position')
    expect(refusals.summary).toEqual({
      kinds: { malformed: 2, role: 1, forged: 1 },
      peers: [
        { peerId: 'a', kinds: { malformed: 2, forged: 1 }, last: 'no position' },
        { peerId: 'b', kinds: { role: 1 }, last: 'only peers may ask this' }
      ]
    })
  })

  it('is logged once a minute for each peer, in one line with the last words', async () => {
    const { time, lines, refusals } = make()
    for (const words of ['first', 'second']) refusals.note('a', 'malformed', words)
    refusals.note('b', 'role', 'theirs')
    await time.run(1)
    const what = 'refused what a peer said'
    expect(lines).toEqual([
      { what, peerId: 'a', malformed: 2, last: 'second' },
      { what, peerId: 'b', role: 1, last: 'theirs' }
    ])
    refusals.note('a', 'malformed', 'third')
    refusals.note('a', 'log', 'fourth')
    await time.run(tellEveryMs - 2)
    expect(lines).toHaveLength(2)
    await time.run(2)
    expect(lines.slice(2)).toEqual([{ what, peerId: 'a', malformed: 1, log: 1, last: 'fourth' }])
    await time.run(10 * tellEveryMs)
    expect(lines).toHaveLength(3)
  })

  it('fills neither memory nor log, however many peers say it', async () => {
    const { time, lines, refusals } = make()
    const strangers = maxRefusedPeers + 50
    for (let i = 0; i < strangers; i++) refusals.note(`stranger ${i}`, 'malformed', 'x'.repeat(10_000))
    await time.run(tellEveryMs / 2)
    expect(lines).toHaveLength(maxLines + 1)
    expect(lines.at(-1)).toEqual({ what: 'refused what many others said', count: strangers - maxLines })
    const { kinds, peers } = refusals.summary
    expect(kinds).toEqual({ malformed: strangers })
    expect(peers).toHaveLength(maxLines)
    expect(JSON.stringify(refusals.summary).length).toBeLessThan(10_000)
  })

  it('is remembered of those who were heard of last', () => {
    const { refusals } = make()
    for (let i = 0; i < maxRefusedPeers; i++) refusals.note(`stranger ${i}`, 'malformed', 'x')
    refusals.note('stranger 0', 'malformed', 'again')
    refusals.note('one more', 'malformed', 'x')
    for (const [index, count] of [2, 1].entries()) {
      refusals.note(`stranger ${index}`, 'malformed', 'x')
      expect(refusals.summary.peers[0]?.kinds).toEqual({ malformed: index === 0 ? count + 1 : count })
    }
  })

  it('is shown without what would move a cursor', () => {
    const { refusals } = make()
    refusals.note('a', 'foreign', 'it is in the network "\u001b[2Jevil\nannulus: error"')
    expect(refusals.summary.peers[0]?.last).toBe('it is in the network " [2Jevil annulus: error"')
  })

  it('is told of when the peer stops, after which nothing is left', async () => {
    const { time, lines, refusals } = make()
    refusals.note('a', 'malformed', 'late')
    refusals.stop()
    expect(lines).toHaveLength(1)
    expect(time.pending).toBe(0)
    refusals.note('a', 'malformed', 'too late')
    await time.run(1)
    expect(lines).toHaveLength(1)
    expect(time.pending).toBe(0)
  })
})
