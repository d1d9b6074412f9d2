import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Deadlines, maxDelayMs } from '../../src/libp2p/deadlines.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('deadlines', () => {
  it('fire once each, never early and at most two ticks late', () => {
    const deadlines = new Deadlines()
    const startedAt = performance.now()
    const delays = [0, 1, 9, 10, 11, 99, 500, 1_234, 60_000]
    const firedAt = new Map<number, number>()
    for (const delay of delays) {
      deadlines.after(delay, () => {
        expect(firedAt.has(delay)).toBe(false)
        firedAt.set(delay, performance.now() - startedAt)
      })
    }
    vi.advanceTimersByTime(61_000)
    expect([...firedAt.keys()]).toEqual(delays)
    for (const [delay, at] of firedAt) {
      expect(at).toBeGreaterThanOrEqual(delay)
      expect(at).toBeLessThanOrEqual(delay + 20)
    }
    expect(deadlines.size).toBe(0)
  })

  it('that were cancelled do not fire', () => {
    const deadlines = new Deadlines()
    const fire = vi.fn()
    const timer = deadlines.after(50, fire)
    vi.advanceTimersByTime(30)
    timer.cancel()
    timer.cancel()
    expect(deadlines.size).toBe(0)
    vi.advanceTimersByTime(1_000)
    expect(fire).not.toHaveBeenCalled()
  })

  it('share one timer, which stops when none is left', () => {
    const deadlines = new Deadlines()
    for (let count = 0; count < 1_000; count++) deadlines.after(count, () => undefined)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(1_100)
    expect(vi.getTimerCount()).toBe(0)
    const fire = vi.fn()
    deadlines.after(100, fire)
    vi.advanceTimersByTime(90)
    expect(fire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(40)
    expect(fire).toHaveBeenCalledOnce()
  })

  it('may be set and cancelled by one that fires', () => {
    const deadlines = new Deadlines()
    const fired: string[] = []
    const victim = deadlines.after(100, () => fired.push('victim'))
    deadlines.after(50, () => {
      fired.push('first')
      victim.cancel()
      deadlines.after(0, () => fired.push('next'))
    })
    vi.advanceTimersByTime(500)
    expect(fired).toEqual(['first', 'next'])
  })

  it('that passed while the event loop stood fire when it goes on, and later ones keep their time', () => {
    const deadlines = new Deadlines()
    const fired: string[] = []
    deadlines.after(100, () => fired.push('due'))
    deadlines.after(5_000, () => fired.push('later'))
    // The clock goes on without a timer firing: what a long computation looks like from here.
    const steady = performance.now.bind(performance)
    vi.spyOn(performance, 'now').mockImplementation(() => steady() + 2_000)
    deadlines.after(4_000, () => fired.push('set late'))
    vi.advanceTimersByTime(20)
    expect(fired).toEqual(['due'])
    vi.advanceTimersByTime(2_900)
    expect(fired).toEqual(['due'])
    vi.advanceTimersByTime(200)
    expect(fired).toEqual(['due', 'later'])
    vi.advanceTimersByTime(800)
    expect(fired).toEqual(['due', 'later'])
    vi.advanceTimersByTime(200)
    expect(fired).toEqual(['due', 'later', 'set late'])
  })

  it('have a longest delay, beyond that of any request', () => {
    const deadlines = new Deadlines()
    const fire = vi.fn()
    deadlines.after(maxDelayMs * 2, fire)
    vi.advanceTimersByTime(maxDelayMs - 10)
    expect(fire).not.toHaveBeenCalled()
    vi.advanceTimersByTime(100)
    expect(fire).toHaveBeenCalledOnce()
  })

  it('are all forgotten when stopped', () => {
    const deadlines = new Deadlines()
    const fire = vi.fn()
    deadlines.after(10, fire)
    deadlines.stop()
    vi.advanceTimersByTime(100)
    expect(fire).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})
