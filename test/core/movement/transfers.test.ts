import { describe, expect, it } from 'vitest'
import type { TransferEvent } from '../../../src/api.ts'
import { beginPart, moved, waiting, type SessionProgress } from '../../../src/core/movement/progress.ts'
import { Transfers, type TransferKind } from '../../../src/core/movement/transfers.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'

/** Transfers of a peer, and one of them under way, to be steered from here. */
function make(kind: TransferKind = 'take') {
  const time = new VirtualTime()
  const events: TransferEvent[] = []
  const transfers = new Transfers(
    { clock: new VirtualClock(time), onTransfer: event => events.push(event) },
    { peerId: 'me' }
  )
  const end = Promise.withResolvers<undefined>()
  let progress: SessionProgress | undefined
  const done = transfers.during(kind, mine => {
    progress = mine
    return end.promise
  })
  const shown = () => transfers.status()[0]
  return { time, events, transfers, progress: progress!, shown, end, done }
}

describe('the transfers of a member', () => {
  it('show what has moved, what is left, how fast it goes and how long it will take', async () => {
    const { time, progress, shown } = make()
    expect(shown()).toMatchObject({ records: 0, recordsLeft: 0, bytesPerSecond: 0, secondsLeft: null })
    progress.left = 100
    expect(shown()).toMatchObject({ recordsLeft: 100, secondsLeft: null })
    await time.run(2_000)
    moved(progress, 20, 2_000)
    progress.left -= 20
    expect(shown()).toEqual({
      peerId: 'me',
      kind: 'take',
      records: 20,
      bytes: 2_000,
      recordsLeft: 80,
      bytesPerSecond: 1_000,
      secondsLeft: 8,
      waitsFor: null
    })
  })

  it('go by how fast it went of late, and say nothing of the time where it stands', async () => {
    const { time, progress, shown } = make()
    progress.left = 1_000
    moved(progress, 100, 1e6)
    for (let i = 0; i < 60; i++) {
      await time.run(1_000)
      moved(progress, 1, 1_000)
    }
    expect(shown()!.bytesPerSecond).toBe(1_000)
    await time.run(60_000)
    expect(shown()).toMatchObject({ bytesPerSecond: 0, secondsLeft: null })
  })

  it('count for what is to be found in parts of the ring that it has not come to yet', () => {
    const { progress, shown } = make()
    beginPart(progress, 0.2, 0.1)
    progress.left = 40
    expect(shown()!.recordsLeft).toBe(60)
    moved(progress, 40, 40)
    progress.left = 0
    expect(shown()!.recordsLeft).toBe(20)
    beginPart(progress, 0.1, 0)
    progress.left = 21
    expect(shown()!.recordsLeft).toBe(21)
    moved(progress, 21, 21)
    progress.left = 0
    expect(shown()!.recordsLeft).toBe(0)
  })

  it('leave out a session with a neighbour that finds nothing', () => {
    const { progress, transfers } = make('reconcile')
    expect(transfers.status()).toEqual([])
    progress.left = 1
    expect(transfers.status()).toHaveLength(1)
  })
})

describe('the events of a transfer', () => {
  const phases = (events: readonly TransferEvent[]) => events.map(({ phase }) => phase)

  it('tell when it finds something, once a second while it goes on, and when it ends', async () => {
    const { time, events, progress, end, done } = make()
    progress.changed()
    expect(events).toEqual([])
    progress.left = 100
    progress.changed()
    for (let i = 0; i < 50; i++) {
      await time.run(100)
      moved(progress, 1, 10)
    }
    expect(phases(events)).toEqual(['began', ...Array<string>(5).fill('progress')])
    end.resolve(undefined)
    await done
    expect(phases(events).at(-1)).toBe('ended')
    expect(events.at(-1)).toMatchObject({ peerId: 'me', kind: 'take', records: 50, bytes: 500 })
  })

  it('tell that it waits', () => {
    const { events, progress } = make()
    waiting(progress, 'another')
    waiting(progress, 'another')
    expect(events).toMatchObject([{ phase: 'began', waitsFor: 'another' }])
  })

  it('are none of one that found nothing, and end where it fails', async () => {
    const nothing = make('reconcile')
    nothing.end.resolve(undefined)
    await nothing.done
    expect(nothing.events).toEqual([])
    const failing = make()
    moved(failing.progress, 1, 1)
    failing.end.reject(new Error('a test wants it so'))
    await expect(failing.done).rejects.toThrow('a test wants it so')
    expect(phases(failing.events)).toEqual(['began', 'ended'])
  })
})
