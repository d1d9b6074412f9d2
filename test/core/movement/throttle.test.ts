import { describe, expect, it } from 'vitest'

import { maxBatchBytes } from '../../../src/core/limits.ts'
import { Throttle, type ThrottleInit } from '../../../src/core/movement/throttle.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'

function make(init: ThrottleInit) {
  const time = new VirtualTime()
  const throttle = new Throttle({ clock: new VirtualClock(time) }, init)
  const { signal } = new AbortController()
  const pass = (bytes: number): Promise<void> => time.settle(throttle.pass(bytes, signal))
  return { time, throttle, pass }
}

describe('a throttle', () => {
  it('lets two messages through at once after a rest, and then so many bytes per second', async () => {
    const { time, pass } = make({ bytesPerSecond: maxBatchBytes })
    await pass(maxBatchBytes)
    await pass(maxBatchBytes)
    expect(time.nowMs).toBe(0)
    for (let i = 0; i < 10; i++) await pass(maxBatchBytes)
    expect(time.nowMs).toBeCloseTo(10_000, 0)
    await time.run(60_000)
    await pass(2 * maxBatchBytes)
    expect(time.nowMs).toBeCloseTo(70_000, 0)
  })

  it('leaves what of a wait is too long to whoever comes next', async () => {
    const { time, throttle, pass } = make({ bytesPerSecond: maxBatchBytes })
    await time.settle(throttle.pass(12 * maxBatchBytes, new AbortController().signal, 4_000))
    expect(time.nowMs).toBe(4_000)
    expect(throttle.waitMs).toBeCloseTo(6_000, 0)
    await pass(maxBatchBytes)
    expect(time.nowMs).toBeCloseTo(11_000, 0)
  })

  it('stands back a little while requests are being served', async () => {
    let isBusy = true
    const { time, pass } = make({ isBusy: () => isBusy })
    await pass(1)
    expect(time.nowMs).toBe(5)
    isBusy = false
    await pass(1)
    expect(time.nowMs).toBe(5)
  })

  it('ends its wait when the signal aborts', async () => {
    const { time, throttle } = make({ bytesPerSecond: 1_000 })
    const stop = new AbortController()
    const passing = throttle.pass(10 * maxBatchBytes, stop.signal)
    stop.abort(new Error('enough'))
    await expect(passing).rejects.toThrow('enough')
    expect(time.pending).toBe(0)
  })

  it('counts what is given up before it went as if it had not been asked for, but not what came', async () => {
    const { time, throttle, pass } = make({ bytesPerSecond: maxBatchBytes })
    const { signal } = new AbortController()
    await pass(2 * maxBatchBytes)
    const stopped = AbortSignal.abort(new Error('enough'))
    await expect(throttle.pass(maxBatchBytes, stopped)).rejects.toThrow('enough')
    expect(throttle.waitMs).toBe(0)
    await expect(throttle.passed(maxBatchBytes, stopped)).rejects.toThrow('enough')
    expect(throttle.waitMs).toBeCloseTo(1_000, 0)
    await time.settle(throttle.ready(signal))
    expect(time.nowMs).toBeCloseTo(1_000, 0)
  })
})
