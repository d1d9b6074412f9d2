import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { drain, VirtualTime } from './clock.ts'
import { EventQueue, type Event } from './event-queue.ts'

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ atMs: fc.nat(20), tie: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ cancel: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant('pop' as const) }
)

function fill(count: number): { queue: EventQueue; events: Event[] } {
  const queue = new EventQueue()
  const events = Array.from({ length: count }, (_, sequence): Event => {
    return { atMs: (sequence * 7919) % count, tie: 0, sequence, fire: () => undefined }
  })
  for (const event of events) queue.push(event)
  return { queue, events }
}

describe('the queue of events', () => {
  it('gives those that are not cancelled by time, then tie, then sequence, whatever is set and cancelled', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), steps => {
        const queue = new EventQueue()
        let expected: Event[] = []
        steps.forEach((next, sequence) => {
          if (next === 'pop') {
            const event = queue.pop()
            expect(event).toBe(expected.shift())
            if (event !== undefined) event.fire = undefined
          } else if ('cancel' in next) {
            const event = expected[next.cancel % Math.max(1, expected.length)]
            if (event === undefined) return
            queue.cancel(event)
            expected = expected.filter(other => other !== event)
          } else {
            const event: Event = { ...next, sequence, fire: () => undefined }
            queue.push(event)
            expected = [...expected, event].sort(
              (a, b) => a.atMs - b.atMs || a.tie - b.tie || a.sequence - b.sequence
            )
          }
          expect(queue.size).toBe(expected.length)
        })
        for (const event of expected) expect(queue.pop()).toBe(event)
        expect(queue.pop()).toBeUndefined()
      })
    )
  })

  it('keeps its order when cancelled events are swept out, and does not let them pile up', () => {
    const { queue, events } = fill(10_000)
    for (const event of events) if (event.sequence % 10 !== 3) queue.cancel(event)
    expect(queue.held).toBeLessThan(2 * queue.size + 100)
    const left = Array.from({ length: queue.size }, () => queue.pop()!.atMs)
    expect(left).toHaveLength(1_000)
    expect(left).toEqual(left.toSorted((a, b) => a - b))
  })

  it('takes an event that fired, or was cancelled before, for no other one when it is cancelled', () => {
    const { queue, events } = fill(3)
    queue.cancel(events[1]!)
    queue.cancel(events[1]!)
    const first = queue.pop()!
    first.fire = undefined
    queue.cancel(first)
    expect(queue.size).toBe(1)
  })
})

describe('virtual time', () => {
  it('goes on only when chains of promises of any length have run out', async () => {
    const time = new VirtualTime()
    let links = 0
    const chain = async (): Promise<void> => {
      for (; links < 5_000; links++) await Promise.resolve()
    }
    let seen: number | undefined
    time.after(1, () => void chain())
    time.after(2, () => void (seen = links))
    await time.run(3)
    expect(seen).toBe(5_000)
  })

  it('lets the real world have its turn, however many events come one behind the other', async () => {
    let turns = 0
    setImmediate(() => turns++)
    for (let i = 0; i < 1_000; i++) await drain()
    expect(turns).toBe(1)
  })
})
