import { describe, expect, it } from 'vitest'
import { Canceller, type CancelSignal } from '../../src/core/canceller.ts'

const kinds: ReadonlyArray<
  [name: string, make: () => { signal: CancelSignal; abort: (why: Error) => void }]
> = [
  [
    'a canceller',
    () => {
      const canceller = new Canceller()
      return { signal: canceller, abort: why => canceller.abort(why) }
    }
  ],
  [
    'an AbortController',
    () => {
      const controller = new AbortController()
      return { signal: controller.signal, abort: why => controller.abort(why) }
    }
  ]
]

// What is said of the one is held against the other: the core takes either.
describe.each(kinds)('%s', (_, make) => {
  const why = new Error('nobody waits any more')

  it('calls once all who listen, in their order, and says why', () => {
    const { signal, abort } = make()
    const called: string[] = []
    signal.addEventListener('abort', () => called.push(`first ${signal.aborted}`))
    signal.addEventListener('abort', () => called.push('second'))
    expect(signal.aborted).toBe(false)
    abort(why)
    abort(new Error('again'))
    expect(called).toEqual(['first true', 'second'])
    expect(signal.reason).toBe(why)
  })

  it('does not call who has stopped listening, be it during the abort, or listens too late', () => {
    const { signal, abort } = make()
    const called: string[] = []
    const third = (): void => void called.push('third')
    const first = (): void => {
      called.push('first')
      signal.removeEventListener('abort', third)
    }
    const second = (): void => void called.push('second')
    for (const listener of [first, second, third]) signal.addEventListener('abort', listener)
    signal.removeEventListener('abort', second)
    abort(why)
    signal.addEventListener('abort', second)
    expect(called).toEqual(['first'])
  })

  it('calls a listener that is added twice once', () => {
    const { signal, abort } = make()
    let calls = 0
    const listener = (): void => {
      calls++
    }
    signal.addEventListener('abort', listener)
    signal.addEventListener('abort', listener)
    abort(why)
    expect(calls).toBe(1)
  })

  it('throws its reason where it has aborted', () => {
    const { signal, abort } = make()
    expect(() => signal.throwIfAborted()).not.toThrow()
    abort(why)
    expect(() => signal.throwIfAborted()).toThrow(why)
  })
})
