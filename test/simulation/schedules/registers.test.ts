/** Schedules of gets, puts and deletes on a ring that stays as it is, and of one coordinator that slept. */
import { describe, expect, it } from 'vitest'
import { aboutKeys } from './messages.ts'
import { Stage } from './stage.ts'

const hourMs = 3_600_000

describe('stamps of clocks that are slow', () => {
  /**
   * Rule: a version's writer is of one boot. With a writer part of the peer alone both puts of a would have one
   * version, and who holds the one would never learn of the other.
   */
  it('are never used twice by one peer, though its clock stands an hour back over a restart', async () => {
    const stage = await Stage.of('abcd')
    const key = stage.keyOn(['abcd', 'bcd'])
    stage.peer('b').clock.skewMs = hourMs
    await stage.settle(stage.put(stage.core('b'), key, 'first').answer)

    // The put of a reaches d alone, and a dies.
    const lost = stage.lose({ from: 'a', to: 'bc', kind: 'writeRecord' })
    const stored = stage.watch({ from: 'a', to: 'd', kind: 'writeRecord', part: 'answer' })
    stage.put(stage.core('a'), key, 'of the first boot')
    await stage.until('d has it', () => stored.count > 0)
    stage.kill('a')
    lost.end()

    // The next put of a meets the same newest version, at b and c.
    await stage.restart('a')
    await stage.cluster.ready(stage.peer('a'))
    stage.lose({ from: 'a', to: 'd', kind: aboutKeys })
    const { version } = await stage.settle(stage.put(stage.core('a'), key, 'of the second boot').answer)
    expect(await stage.versionOn('d', key)).not.toBe(version)
    // Whichever of the two is newer, once d has been asked.
    await expectAgreement(stage, 'dbc', key)
    await stage.end()
  })

  /** Rule: the hybrid clock gives no time twice, though the wall clock and the versions seen are the same. */
  it('are never used twice by two puts at once', async () => {
    const stage = await Stage.of('abcd')
    const key = stage.keyOn(['abcd', 'bcd'])
    stage.peer('b').clock.skewMs = hourMs
    await stage.settle(stage.put(stage.core('b'), key, 'first').answer)

    const writes = stage.hold({ from: 'a', kind: 'writeRecord', part: 'request' })
    const puts = [stage.put(stage.core('a'), key, 'one'), stage.put(stage.core('a'), key, 'the other')]
    await stage.until('both are stamped', () => writes.count === 6)
    writes.release()
    const [one, other] = await stage.settle(Promise.all(puts.map(({ answer }) => answer)))
    expect(one!.version).not.toBe(other!.version)
    await expectAgreement(stage, 'bcd', key)
    await stage.end()
  })

  /**
   * Rule: versions of one time are ordered by their writers. Were they equal, each replica would keep what came
   * first, b the put of K, and c and d that of L.
   */
  it('may be of one time where two coordinators are behind: the same put wins everywhere', async () => {
    const stage = await Stage.of('abcd')
    const key = stage.keyOn(['abcd', 'bcd'])
    stage.peer('b').clock.skewMs = hourMs
    await stage.settle(stage.put(stage.core('b'), key, 'first').answer)

    const [k, l] = [await stage.client(), await stage.client()]
    const write = { kind: 'writeRecord', part: 'request' } as const
    const first = [
      stage.hold({ ...write, from: k.letter, to: 'b' }),
      stage.hold({ ...write, from: l.letter, to: 'cd' })
    ]
    const later = [
      stage.hold({ ...write, from: k.letter, to: 'cd' }),
      stage.hold({ ...write, from: l.letter, to: 'b' })
    ]
    const puts = [stage.put(k.core, key, 'of K'), stage.put(l.core, key, 'of L')]
    await stage.until(
      'both are stamped',
      () => [...first, ...later].reduce((n, { count }) => n + count, 0) === 6
    )
    for (const each of first) each.release()
    await stage.pass(50)
    for (const each of later) each.release()
    const [one, other] = await stage.settle(Promise.all(puts.map(({ answer }) => answer)))
    expect(one!.version.split('.')[0]).toBe(other!.version.split('.')[0])
    await expectAgreement(stage, 'bcd', key)
    await stage.end()
  })
})

describe('what one get has seen the next one sees', () => {
  /** Rule: a get answers only when a quorum holds what it read. */
  it('though the put reached one replica, and its coordinator died', async () => {
    const stage = await Stage.of('abc')
    await stage.putOn('abc', 'key', 'old')
    await putOnOneAndDie(stage, 'key', 'new')
    expect(await stage.getFrom('ab', 'key')).toBe('new')
    expect(await stage.getFrom('bc', 'key')).toBe('new')
    await stage.end()
  })

  /** The same rule where the write of a get that died helped it to one more replica only. */
  it('though an earlier get died when it had written it back to one more', async () => {
    const stage = await Stage.of('abcde', { replicas: 5 })
    await stage.putOn('abcde', 'key', 'old')
    await putOnOneAndDie(stage, 'key', 'new')

    // L reads it of a, b and c, writes it back to b, and is no more.
    const l = await stage.client()
    stage.lose({ from: l.letter, to: 'de' })
    stage.lose({ from: l.letter, to: 'c', kind: 'writeRecord' })
    const back = stage.watch({ from: l.letter, to: 'b', kind: 'writeRecord', part: 'answer' })
    const get = stage.get(l.core, 'key')
    await stage.until('b has it', () => back.count > 0)
    await stage.settle(l.core.close())
    expect(await stage.failure(get)).toMatchObject({ code: 'ERR_STOPPED' })
    expect(await stage.versionOn('b', 'key')).toBe(await stage.versionOn('a', 'key'))

    expect(await stage.getFrom('bcd', 'key')).toBe('new')
    expect(await stage.getFrom('cde', 'key')).toBe('new')
    await stage.end()
  })
})

describe('a delete', () => {
  /** Rule: a tombstone is a record, and its version votes as any other does. */
  it('holds against a replica that returns with the value while it is under way', async () => {
    const stage = await Stage.of('abc')
    await stage.putOn('abc', 'key', 'value')
    stage.kill('c')
    const k = await stage.client()
    const late = stage.hold({ from: k.letter, to: 'b', kind: 'writeRecord', part: 'request' })
    const deleting = k.core.delete('key', { deadline: 60_000 })
    await stage.until('it is on its way', () => late.count > 0)

    // c is back, and what it missed comes of b, which has not heard of the delete either.
    const refresh = stage.hold({ from: 'c', to: 'a', kind: 'compareNodes', part: 'request' })
    const fromOthers = stage.lose({ from: 'ab', to: 'c', kind: 'compareNodes' })
    const fromB = stage.watch({ from: 'c', to: 'b', kind: 'compareNodes', part: 'answer' })
    stage.lose({ from: k.letter, to: 'c', kind: aboutKeys })
    await stage.restart('c')
    await stage.until('c has asked b', () => fromB.count > 0)

    late.release()
    const { version } = await stage.settle(deleting)
    const silence = stage.lose({ from: 'c', to: 'a', kind: aboutKeys })
    expect(await stage.versionOn('c', 'key')).not.toBe(version)
    expect(await stage.settle(stage.get(stage.core('c'), 'key').answer)).toBeUndefined()
    silence.end()
    fromOthers.end()
    refresh.release()
    for (const two of ['ab', 'bc', 'ac']) expect(await stage.getFrom(two, 'key')).toBeUndefined()
    await stage.end()
  })
})

describe('a coordinator that slept', () => {
  /**
   * Rule: a replica answers only at the requester's epoch, and sends who is behind the entries instead. Else a
   * would count its own vote and that of b, which both were replicas of the key when it fell asleep.
   */
  it('asks the replicas of today when it wakes, and what it was putting does not come over what was put since', async () => {
    const stage = await Stage.of('abc')
    const key = stage.keyOn(['abcdef', 'def'])
    await stage.putOn('abc', key, 'old')
    const late = stage.hold({ from: 'a', to: 'bc', kind: 'writeRecord', part: 'request' })
    const put = stage.put(stage.core('a'), key, 'late')
    await stage.until('it is on its way', () => late.count === 2)
    stage.cluster.freeze(stage.peer('a'))
    // Nothing else is to tell it that the ring is another one now.
    const news = [
      stage.lose({ to: 'a' }),
      stage.lose({ from: 'a', kind: ['ping', 'pingRequest', 'fetchLog', 'compareNodes'] })
    ]

    for (const name of 'def') await stage.join(name)
    await stage.closed('bcdef')
    await stage.putOn('def', key, 'new')
    const get = stage.cluster.ask(stage.peer('a'), core => stage.get(core, key).answer)
    await stage.pass(1_000)

    stage.cluster.thaw(stage.peer('a'))
    expect(await stage.settle(get)).toBe('new')
    for (const each of news) each.end()
    late.release()
    // Its stamp is older, so it was replaced before it was there.
    await stage.settle(put.answer)
    for (const two of ['de', 'ef', 'df']) expect(await stage.getFrom(two, key)).toBe('new')
    await stage.end()
  })
})

/** A put that only a takes, and whose coordinator is no more. */
async function putOnOneAndDie(stage: Stage, key: string, value: string): Promise<void> {
  const k = await stage.client()
  stage.lose({ from: k.letter, to: 'bcde', kind: 'writeRecord' })
  const stored = stage.watch({ from: k.letter, to: 'a', kind: 'writeRecord', part: 'answer' })
  const put = stage.put(k.core, key, value)
  await stage.until('a has it', () => stored.count > 0)
  await stage.settle(k.core.close())
  expect(await stage.failure(put)).toMatchObject({ indefinite: true })
}

/** All of these replicas, asking themselves first, read the same. */
async function expectAgreement(stage: Stage, replicas: string, key: string): Promise<void> {
  const seen = new Set<string | undefined>()
  for (const name of replicas) seen.add(await stage.settle(stage.get(stage.core(name), key).answer))
  expect([...seen]).toHaveLength(1)
}
