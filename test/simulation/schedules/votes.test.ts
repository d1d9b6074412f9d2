/** Which votes count: schedules in which counting one more would show a value that was replaced long ago. */
import { describe, expect, it } from 'vitest'
import { reads } from './messages.ts'
import { SessionDomain } from '../../../src/wire/generated/messages.ts'
import { Stage } from './stage.ts'

describe('a vote counts by its epoch', () => {
  /**
   * Rule: epochs are compared, never rings. With rings compared, K would count the vote that a sent at the first
   * epoch together with the one of c at the last, both of the ring a, b, c, and answer "old" long after "new" was
   * acknowledged.
   */
  it('and not by its ring: a ring that was in force before is another one when it comes back', async () => {
    const stage = await Stage.of('abc')
    const key = stage.keyOn(['abcd', 'bcd'])
    await stage.putOn('abc', key, 'old')
    const k = await stage.client()

    // a lags: d joins and takes its place for this key, and only b and c hear of that.
    const cut = stage.cluster.network.cut(
      [stage.peer('a').peerId],
      [stage.peer('b').peerId, stage.peer('c').peerId]
    )
    const lost = [stage.lose({ from: 'a', to: 'd' }), stage.lose({ from: 'd', to: 'a' })]
    await stage.join('d')
    const version = await stage.putOn('bd', key, 'new')

    // K lags too. It asks all of the ring that it knows, and a alone answers: with "old", as it may so far.
    const silence = stage.lose({ from: k.letter, to: 'bc' })
    const votes = stage.watch({ from: k.letter, to: 'a', kind: reads, part: 'answer' })
    const get = stage.get(k.core, key)
    await stage.until('a has voted', () => votes.count > 0)

    // d leaves. a takes the key again, "new" with it, and c never hears of "new": what others push misses it, and it reconciles with nobody.
    cut.heal()
    for (const each of lost) each.end()
    stage.lose({ to: 'c', kind: ['offerVersions', 'pushRecords'] })
    stage.lose({ to: 'c', domain: SessionDomain.DOMAIN_SHARED })
    stage.lose({ from: 'c', domain: SessionDomain.DOMAIN_SHARED })
    await stage.settle(stage.core('d').leave())
    await stage.closed('abc')
    expect(await stage.versionOn('a', key)).toBe(version)
    expect(await stage.versionOn('c', key)).not.toBe(version)

    // Now c answers K, at the ring that K asks for, with "old".
    stage.lose({ from: k.letter, to: 'b' })
    silence.end()
    expect(await stage.settle(get.answer)).toBe('new')
    await stage.end()
  })

  /**
   * Rule: a vote carries the epoch at its sending, after its write is on disk. With the one at its receipt, K's put
   * would count a, from which d had taken before the write was there, and of the ring after only c would have it.
   */
  it('at its sending and not at the receipt of what it answers', async () => {
    const stage = await Stage.of('abc')
    const key = stage.keyOn(['abcd', 'bcd'])
    await stage.putOn('abc', key, 'old')
    const k = await stage.client()

    // The put reaches a and c at the first epoch. c stores it and votes; the disk of a takes its time.
    stage.lose({ from: k.letter, to: 'b', kind: 'writeRecord' })
    const disk = stage.holdWrites('a')
    const votes = stage.watch({ from: k.letter, to: 'c', kind: 'writeRecord', part: 'answer' })
    const put = stage.put(k.core, key, 'new')
    await stage.until('c has voted, and a has begun to write', () => votes.count > 0 && disk.count() > 0)
    disk.stop()

    // d takes the place of a for this key, by what a and b have on disk.
    stage.lose({ from: 'd', to: 'c', kind: 'compareNodes' })
    await stage.join('d')
    await stage.closed('abc')
    expect(put.isOver).toBe(false)

    // Only now a has it on disk, and answers.
    disk.release()
    await stage.settle(put.answer)
    expect(await stage.getFrom('bd', key)).toBe('new')
    await stage.end()
  })
})

describe('a vote counts for one life', () => {
  /**
   * Rule: members are (peer id, life), and what is addressed to one life never reaches another. Would a answer as
   * the a that it was, the empty a and the old c would be a quorum of the ring before.
   */
  it('so that who lost its disk is not taken for the replica that it was', async () => {
    const stage = await Stage.of('abc')
    await stage.putOn('abc', 'key', 'old')
    await stage.putOn('ab', 'key', 'new')

    // a loses its disk and joins anew, but has taken nothing yet.
    const taking = stage.hold({ from: 'a', kind: 'compareNodes' })
    await stage.settle(stage.cluster.restartEmpty(stage.peer('a')))
    await stage.opened('bc')
    const k = await stage.client()
    const silence = stage.lose({ from: k.letter, to: 'b' })
    const get = stage.get(k.core, 'key')
    await stage.pass(10_000)
    expect(get.isOver).toBe(false)
    silence.end()
    expect(await stage.settle(get.answer)).toBe('new')

    taking.release()
    await stage.cluster.ready(stage.peer('a'))
    await stage.closed('abc')
    expect(await stage.getFrom('ac', 'key')).toBe('new')
    await stage.end()
  })

  /** The same rule for a write: the new life must not say "stored" for the old one, nor the old one after its end. */
  it('also where a write to the old life, and the vote of it, are still under way when the new one is there', async () => {
    const stage = await Stage.of('abc')
    await stage.putOn('abc', 'key', 'old')
    const [k, l] = [await stage.client(), await stage.client()]

    // Of K's put the request to a is late, of L's the answer. b hears of neither.
    const late = stage.hold({ from: k.letter, to: 'a', kind: 'writeRecord', part: 'request' })
    const vote = stage.hold({ from: l.letter, to: 'a', kind: 'writeRecord', part: 'answer' })
    const silence = stage.lose({ from: k.letter + l.letter, to: 'b' })
    const puts = [stage.put(k.core, 'key', 'of K'), stage.put(l.core, 'key', 'of L')]
    await stage.until('both are at a', () => late.count > 0 && vote.count > 0)

    const taking = stage.hold({ from: 'a', kind: 'compareNodes' })
    await stage.settle(stage.cluster.restartEmpty(stage.peer('a')))
    await stage.opened('bc')
    late.release()
    vote.release()
    await stage.pass(5_000)
    expect(puts.map(({ isOver }) => isOver)).toEqual([false, false])

    silence.end()
    taking.release()
    const versions = await stage.settle(Promise.all(puts.map(({ answer }) => answer)))
    const last = versions[0]!.version > versions[1]!.version ? 'of K' : 'of L'
    await stage.closed('abc')
    for (const two of ['ab', 'bc', 'ac']) expect(await stage.getFrom(two, 'key')).toBe(last)
    await stage.end()
  })
})
