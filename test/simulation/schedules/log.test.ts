/** Schedules of the log: proposals that cross a restart, and news of it that come in the wrong order. */
import { expect, it } from 'vitest'
import { Stage } from './stage.ts'

/**
 * Rule: what an acceptor promised is on its disk, and is there again after a restart. Had c forgotten that it
 * promised a, then b, c and e would decide for g, and a, c and d for f, both at one epoch.
 */
it('two proposers duel while an acceptor restarts between its promise and the accept: one entry is decided', async () => {
  const stage = await Stage.of('abcde')
  await stage.pass(5_000)
  const decided = new Map<number, Set<string>>()
  const note = (name: string): void => {
    stage.core(name).on('topology', ({ epoch }) => {
      const joining = 'fg'.split('').filter(joiner => stage.view(joiner, name)?.standing === 'joining')
      decided.set(epoch, (decided.get(epoch) ?? new Set()).add(joining.join('')))
    })
  }
  for (const name of 'abcde') note(name)

  // f asks only a to join, and g only b.
  const asking = stage.hold({ from: 'f', to: 'a', kind: 'petition', part: 'request' })
  const elsewhere = [
    stage.lose({ from: 'f', to: 'bcde', kind: 'petition' }),
    stage.lose({ from: 'g', to: 'acde', kind: 'petition' })
  ]
  await stage.start('f')
  await stage.until('f asks', () => asking.count > 0)

  // b proposes g: itself and e promise, c promises and is not heard, and the promise of d is late.
  const learning = stage.hold({ from: 'ab', kind: 'learn', part: 'request' })
  stage.lose({ from: 'b', to: 'a', kind: 'prepare' })
  stage.lose({ from: 'b', to: 'c', kind: 'prepare', part: 'answer' })
  const lateForB = stage.hold({ from: 'b', to: 'd', kind: 'prepare', part: 'answer' })
  const ofE = stage.watch({ from: 'b', to: 'e', kind: 'prepare', part: 'answer' })
  await stage.start('g')
  await stage.until('b lacks one promise', () => lateForB.count > 0 && ofE.count > 0)
  const begunMs = stage.cluster.time.nowMs

  // a proposes f, with a higher ballot: itself and c promise, and the promise of d is late again.
  stage.lose({ from: 'a', to: 'be', kind: 'prepare' })
  const lateForA = stage.hold({ from: 'a', to: 'd', kind: 'prepare', part: 'answer' })
  const ofC = stage.watch({ from: 'a', to: 'c', kind: 'prepare', part: 'answer' })
  asking.release()
  await stage.until('a lacks one promise', () => lateForA.count > 0 && ofC.count > 0)
  await stage.pass(5)

  stage.kill('c')
  await stage.restart('c')
  note('c')
  await stage.until('c is a member again', () => stage.isServing('c'))
  await stage.pass(100)
  // Both are still at their first ballot: the duel is the one that is told here.
  expect([lateForB.count, lateForA.count]).toEqual([1, 1])

  // Now b has its majority, and then a has.
  const ofB = stage.hold({ from: 'b', to: 'c', kind: 'accept', part: 'answer' })
  const ofA = stage.watch({ from: 'a', to: 'c', kind: 'accept', part: 'answer' })
  lateForB.release()
  await stage.until('c has answered b', () => ofB.count > 0)
  // No proposer has given up in the meantime.
  expect(stage.cluster.time.nowMs - begunMs).toBeLessThan(1_000)
  lateForA.release()
  await stage.until('c has answered a', () => ofA.count > 0)
  ofB.release()
  await stage.pass(50)
  learning.release()
  for (const each of elsewhere) each.end()
  for (const name of 'fg') await stage.cluster.ready(stage.peer(name))
  await stage.closed('abcdefg')
  for (const [epoch, joining] of decided) expect([epoch, ...joining]).toHaveLength(2)
  expect(decided.size).toBeGreaterThanOrEqual(4)
  await stage.end()
})

/** Rule: a snapshot counts only where it is newer than what is known. */
it('a member that is far behind hears of the close before the snapshot in which the transition is open', async () => {
  // One copy and one virtual node each: c has no part in what d leaves and takes.
  const stage = await Stage.of('abcd', { replicas: 1, vnodes: 1 })
  const cut = stage.cluster.network.cut(
    [stage.peer('c').peerId],
    'abd'.split('').map(name => stage.peer(name).peerId)
  )
  for (let turn = 0; turn < 9; turn++) {
    await stage.settle(stage.core('d').leave())
    await stage.until('d has left', () => stage.peer('d').hasLeft)
    stage.peer('d').hasLeft = false
    await stage.restart('d')
    await stage.cluster.ready(stage.peer('d'))
  }

  // Once more, and c comes back in the middle: what a says of it is late, and b and d are not heard yet.
  const taking = stage.hold({ from: 'ab', kind: 'compareNodes', part: 'request' })
  const leaving = stage.core('d').leave()
  await stage.opened('ab')
  const epochs: number[] = []
  stage.core('c').on('topology', ({ epoch }) => epochs.push(epoch))
  const late = stage.hold({ from: 'c', to: 'a', kind: 'fetchLog', part: 'answer' })
  const unheard = [
    stage.lose({ from: 'c', kind: ['ping', 'pingRequest', 'compareNodes'] }),
    stage.lose({ from: 'c', to: 'bd' })
  ]
  cut.heal()
  await stage.until('c has asked a', () => late.count > 0)
  taking.release()
  await stage.settle(leaving)
  await stage.closed('ab')
  expect(epochs).toEqual([])

  for (const each of unheard) each.end()
  await stage.until('c has heard of the close', () => epochs.length > 0)
  late.release()
  await stage.pass(1_000)
  expect(epochs).toEqual([(await stage.settle(stage.core('a').status())).epoch])
  await stage.closed('abc')
  await stage.end()
})
