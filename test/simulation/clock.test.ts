import { describe, expect, it } from 'vitest'
import { VirtualClock, VirtualTime, worldStartMs } from './clock.ts'
import { SimulatedProcess } from './process.ts'

describe('a clock', () => {
  it('goes too fast by its drift, and its timers by theirs', async () => {
    const time = new VirtualTime()
    const clock = new VirtualClock(time, { driftPpm: 500, timerDriftPpm: -100 })
    let firedAtMs = 0
    clock.after(1_000_000, () => (firedAtMs = time.nowMs))
    await time.run(2_000_000)
    expect(clock.now() - worldStartMs).toBe(2_001_000)
    expect(clock.monotonic()).toBeCloseTo(1_999_800)
    expect(firedAtMs).toBeCloseTo(1_000_100, 0)
  })

  it('shows the same while it stands, with its timers going, and goes on from there', async () => {
    const time = new VirtualTime()
    const clock = new VirtualClock(time)
    let fired = 0
    clock.after(500, () => fired++)
    clock.stand()
    await time.run(1_000)
    expect([clock.now() - worldStartMs, fired]).toEqual([0, 1])
    clock.goOn({ jumps: false })
    await time.run(100)
    expect(clock.now() - worldStartMs).toBe(100)
  })

  it('jumps to where it would be, when it is set right after it stood', async () => {
    const time = new VirtualTime()
    const clock = new VirtualClock(time, { skewMs: 7 })
    clock.stand()
    await time.run(1_000)
    clock.goOn({ jumps: true })
    expect(clock.now() - worldStartMs).toBe(1_007)
  })

  it('may be stepped while it stands still, and for a process that does', async () => {
    const time = new VirtualTime()
    const clock = new VirtualClock(time)
    const process = new SimulatedProcess()
    const seen: number[] = []
    clock.for(process).after(10, () => seen.push(clock.now() - worldStartMs))
    process.freeze()
    await time.run(100)
    clock.skewMs = 1_000
    expect(seen).toEqual([])
    process.thaw()
    expect(seen).toEqual([1_100])
  })
})
