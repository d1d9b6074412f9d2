import { describe, expect, it } from 'vitest'
import type { CancelSignal } from '../../src/core/canceller.ts'
import { AnnulusError } from '../../src/core/errors.ts'
import { Ongoing } from '../../src/core/ongoing.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'

function make() {
  const time = new VirtualTime()
  return { time, ongoing: new Ongoing({ clock: new VirtualClock(time) }, { stopped: 'it has stopped' }) }
}

/** Work that goes on until its signal aborts, and says then whether it may have had an effect. */
const endless =
  (indefinite = false) =>
  (signal: CancelSignal): Promise<never> =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new AnnulusError('ERR_ABORTED', 'ended', { indefinite })))
    })

const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'done',
    (error: unknown) =>
      error instanceof AnnulusError
        ? `${error.code}${error.indefinite ? ' indefinite' : ''}`
        : 'another error'
  )

describe('a call under way', () => {
  it('gives what its work gives, and leaves nothing behind', async () => {
    const { time, ongoing } = make()
    const { signal } = new AbortController()
    expect(await ongoing.run({ signal, limitMs: 10 }, () => Promise.resolve(7))).toBe(7)
    expect(time.pending).toBe(0)
  })

  it.each([false, true])('ends when its caller gives up (indefinite: %s)', async indefinite => {
    const controller = new AbortController()
    const call = outcome(make().ongoing.run({ signal: controller.signal }, endless(indefinite)))
    controller.abort()
    expect(await call).toBe(indefinite ? 'ERR_ABORTED indefinite' : 'ERR_ABORTED')
  })

  it.each([
    [false, 'ERR_UNREACHABLE'],
    [true, 'ERR_OUTCOME_UNKNOWN indefinite']
  ])('ends when its time is over (indefinite: %s)', async (indefinite, expected) => {
    const { time, ongoing } = make()
    const call = outcome(ongoing.run({ limitMs: 50 }, endless(indefinite)))
    await time.run(49)
    expect(time.pending).toBe(1)
    await time.run(2)
    expect(await call).toBe(expected)
  })

  it('ends at a stop, which waits for it, and none begins after that', async () => {
    const { time, ongoing } = make()
    const calls = [ongoing.run({ limitMs: 50 }, endless()), ongoing.run({}, endless(true))].map(outcome)
    await ongoing.stop()
    expect(time.pending).toBe(0)
    expect(await Promise.all(calls)).toEqual(['ERR_STOPPED', 'ERR_STOPPED indefinite'])
    expect(await outcome(ongoing.run({}, () => Promise.resolve()))).toBe('ERR_STOPPED')
  })

  it('fails with the error of its work where that has one of its own', async () => {
    const { ongoing } = make()
    const fail = (error: Error) => () => Promise.reject(error)
    expect(await outcome(ongoing.run({}, fail(new AnnulusError('ERR_QUORUM', 'x'))))).toBe('ERR_QUORUM')
    expect(await outcome(ongoing.run({}, fail(new Error('unforeseen'))))).toBe('ERR_INTERNAL')
  })
})
