/** Schedules of transitions: who joins, leaves, dies and returns while the ring changes, and what was acknowledged. */
import { describe, expect, it } from 'vitest'
import { Stage } from './stage.ts'

describe('a transition', () => {
  /**
   * Rule: acceptors are members that are up, before those that leave. Were a, which stood longest, to decide the
   * close as well, nobody could when it is gone.
   */
  it('of one who joins and one who leaves, the sole acceptor, closes without the leaver', async () => {
    const stage = await Stage.of('ab')
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`)
    for (const key of keys) await stage.settle(stage.put(stage.core('a'), key, `at ${key}`).answer)

    // Both wishes come to a within the moment that it waits for more.
    const taking = stage.hold({ from: 'c', kind: 'compareNodes' })
    const petitions = stage.watch({ from: 'c', kind: 'petition' })
    await stage.start('c')
    await stage.until('c asks to join', () => petitions.count > 0)
    stage
      .core('a')
      .leave()
      .catch(() => undefined)
    await stage.opened('bc')
    expect(stage.view('a', 'b')?.standing).toBe('leaving')
    expect(stage.view('c', 'b')?.standing).toBe('joining')

    stage.kill('a')
    taking.release()
    await stage.closed('bc')
    expect(stage.view('a', 'b')).toBeUndefined()
    for (const key of keys) expect(await stage.getFrom('bc', key)).toBe(`at ${key}`)

    // And on, down to one alone.
    await stage.settle(stage.core('b').leave())
    for (const key of keys) expect(await stage.getFrom('c', key)).toBe(`at ${key}`)
    await stage.end()
  })

  /** Rule: while a transition is open, a put needs a quorum of both rings. */
  it('that is amended keeps what was acknowledged in both of its rings', async () => {
    const stage = await Stage.of('abc')
    const key = stage.keyOn(['abcd', 'bcd'])
    await stage.putOn('abc', key, 'old')
    stage.hold({ from: 'd', kind: 'compareNodes' })
    await stage.start('d')
    await stage.opened('abcd')

    // b and d have it, a quorum of the ring after, and that is not enough.
    const k = await stage.client()
    stage.lose({ from: k.letter, to: 'c', kind: 'writeRecord' })
    const atA = stage.hold({ from: k.letter, to: 'a', kind: 'writeRecord', part: 'request' })
    const votes = stage.watch({ from: k.letter, to: 'bd', kind: 'writeRecord', part: 'answer' })
    const put = stage.put(k.core, key, 'new')
    await stage.until('b and d have voted', () => votes.count === 2)
    await stage.pass(100)
    expect(put.isOver).toBe(false)
    atA.release()
    await stage.settle(put.answer)

    // The joiner dies, and is dropped: what is left of the ring is the one before.
    stage.kill('d')
    await stage.until('d is dropped', () => stage.view('d', 'a') === undefined)
    await stage.closed('abc')
    expect(await stage.getFrom('ac', key)).toBe('new')
    await stage.end()
  })

  /**
   * Rule: an amendment voids all reports. d has taken what it replicates beside e; without e it replicates more,
   * and would answer for that without having it.
   */
  it('that is amended waits anew for a taker that had reported', async () => {
    const stage = await Stage.of('abc')
    const key = stage.keyOn(['abcde', 'bce'], ['abcd', 'bcd'])
    await stage.putOn('ab', key, 'value')

    // d and e ask to join at once. d reports, e takes nothing.
    const petitions = stage.hold({ from: 'de', kind: 'petition', part: 'request' })
    stage.lose({ from: 'e', kind: 'compareNodes' })
    const reports = stage.watch({ from: 'd', to: 'abc', kind: 'report', part: 'answer' })
    await stage.start('d')
    await stage.start('e')
    await stage.until('both ask', () => petitions.count >= 6)
    petitions.release()
    await stage.opened('abcde')
    await stage.until('all know that d is done', () => reports.count >= 3)

    stage.kill('e')
    const taking = stage.hold({ from: 'd', kind: 'compareNodes' })
    await stage.until('e is dropped', () => 'abc'.split('').every(by => stage.view('e', by) === undefined))
    await stage.pass(5_000)
    expect(stage.view('d', 'a')?.standing).toBe('joining')
    taking.release()
    await stage.closed('abcd')
    expect(await stage.getFrom('cd', key)).toBe('value')
    await stage.end()
  })

  /** Rule: a taker reports when what it pulled is on its disk, and not before. */
  it('closes after its taker has died, by the report of what that has on disk', async () => {
    const stage = await Stage.of('abc')
    const key = stage.keyOn(['abcd', 'bcd'])
    await stage.putOn('ab', key, 'value')

    // What d pulls arrives, but its disk takes its time.
    const reports = stage.watch({ from: 'd', kind: 'report', part: 'request' })
    const records = stage.hold({ from: 'd', kind: 'streamNodes', part: 'answer' })
    await stage.start('d')
    await stage.until('d has been sent what it takes', () => records.count > 0)
    const disk = stage.holdWrites('d')
    records.release()
    await stage.pass(2_000)
    expect(disk.count()).toBeGreaterThan(0)
    expect(reports.count).toBe(0)

    // It reports, and dies before anybody can close the transition.
    const proposals = stage.hold({ kind: 'prepare', part: 'request' })
    const heard = stage.watch({ from: 'd', to: 'abc', kind: 'report', part: 'answer' })
    disk.release()
    await stage.until('it is heard', () => heard.count >= 3)
    stage.kill('d')
    proposals.release()
    await stage.closed('abc')
    expect(stage.view('d', 'a')?.standing).toBe('up')

    // Of the ring after c and d are a quorum, and of these d alone has it, as it found it on its disk.
    stage.lose({ from: 'd', kind: 'compareNodes' })
    await stage.restart('d')
    await stage.until('d is back', () => stage.view('d', 'c')?.liveness === 'alive')
    expect(await stage.getFrom('cd', key)).toBe('value')
    await stage.end()
  })

  /**
   * Rule: a taker pulls from n - q + 1 of the replicas before. The put is on b and on d, which leaves; from c alone
   * a would never learn of it, and a and c are a quorum of the ring after.
   */
  it('waits for the leaver that crashed in its middle, where no other can be asked, and has it back as leaving', async () => {
    const stage = await Stage.of('abcd')
    const key = stage.keyOn(['abcd', 'bcd'])
    await stage.putOn('bd', key, 'value')

    const taking = stage.hold({ from: 'a', kind: 'compareNodes' })
    stage
      .core('d')
      .leave()
      .catch(() => undefined)
    await stage.opened('abcd')
    stage.kill('d')
    stage.lose({ from: 'a', to: 'b', kind: 'compareNodes' })
    taking.release()
    await stage.pass(8_000)
    expect(stage.view('d', 'a')?.standing).toBe('leaving')

    // It is back in the same life, with what it had, and then it is gone for good, without handing over anything.
    stage.lose({ from: 'd', kind: ['offerVersions', 'pushRecords'] })
    await stage.restart('d')
    await stage.closed('abc')
    expect(stage.view('d', 'a')).toBeUndefined()
    expect(await stage.getFrom('ac', key)).toBe('value')
    await stage.until('d knows that it has left', () => stage.peer('d').hasLeft)
    await stage.end()
  })
})
