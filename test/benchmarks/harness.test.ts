/** What turns measurements into figures: where it is wrong, all figures are. */
import { describe, expect, it } from 'vitest'
import { gammaQuantile } from '../../benchmarks/ring/gamma.ts'
import { loadOf, newHistogram } from '../../benchmarks/harness/load.ts'
import { OpenLoop } from '../../benchmarks/harness/open-loop.ts'
import { measureInTurn } from '../../benchmarks/harness/measure.ts'
import { median, pairedRatio, ratiosOf } from '../../benchmarks/harness/ratios.ts'
import { complete, problemsOf } from '../../benchmarks/harness/results.ts'
import { markdownOf, textOf } from '../../benchmarks/harness/tables.ts'
import { Workload } from '../../benchmarks/harness/workload.ts'

const signal = AbortSignal.any([])

describe('ratios', () => {
  it('are the median of those of parts side by side, so that one disturbed part does not count', () => {
    expect(pairedRatio([700, 70, 690], [100, 100, 100])).toBeCloseTo(6.9)
    expect(pairedRatio([100, 10], [50, 5])).toBe(2)
  })

  it('leave out parts in which the other did nothing, and are unknown where there are no others', () => {
    expect(pairedRatio([10, 30], [0, 10])).toBe(3)
    expect(pairedRatio([10], [0])).toBeUndefined()
    expect(pairedRatio([10], [])).toBeUndefined()
    expect(
      ratiosOf([
        ['put/etcd', 7.1234],
        ['get/etcd', undefined]
      ])
    ).toEqual({ 'put/etcd': 7.12 })
  })

  it('take the mean of the middle two where their number is even', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([10, 9, 1])).toBe(9)
  })
})

describe('measuring in turn', () => {
  const settings = {
    measureMs: 4,
    rounds: 2,
    firstWarmUpMs: 0,
    warmUpMs: 0,
    signal,
    progress: () => undefined
  }
  const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

  it('takes A B A B, and ends a case most of whose operations fail without ending the others', async () => {
    const order: string[] = []
    const part = loadOf(turn)
    const named = (name: string, fails: boolean) => ({
      name,
      inFlight: 1,
      servers: [],
      load: fails
        ? loadOf(() => Promise.reject(new Error('out of order')))
        : (init: Parameters<typeof part>[0]) => {
            if (order.at(-1) !== name) order.push(name)
            return part(init)
          }
    })
    const measured = await measureInTurn(
      [named('A', false), named('broken', true), named('B', false)],
      settings
    )
    expect(order).toEqual(['A', 'B', 'A', 'B'])
    expect(complete(measured).map(({ case: { name } }) => name)).toEqual(['A', 'B'])
    expect(measured[0]?.measurement.rates).toHaveLength(2)
    expect(problemsOf(measured)).toEqual(['broken, 1 in flight: not measured: out of order'])
  })

  it('keeps to the number of operations under way, and counts failures apart', async () => {
    let underWay = 0
    let most = 0
    let calls = 0
    const load = loadOf(async () => {
      most = Math.max(most, ++underWay)
      await turn()
      underWay--
      if (++calls % 5 === 0) throw new Error('now and then')
    })
    const part = await load({ inFlight: 7, durationMs: 300, signal })
    expect(most).toBe(7)
    expect(part.failures).toBe(Math.floor(calls / 5))
    expect(part.latencies.totalCount).toBe(calls - part.failures)
  })
})

describe('a workload', () => {
  it('draws the same keys and values for the same seed, of the keys that it stored', async () => {
    const init = { seed: 7, keys: 100, valueBytes: 128 }
    const stored = new Set<string>()
    const [one, other] = [new Workload(init), new Workload(init)]
    await one.fill(key => Promise.resolve(stored.add(key)), { signal, inFlight: 4, maxMs: 0 })
    expect(one.keys).toBe(4)
    expect(Array.from({ length: 50 }, () => stored.has(one.key())).every(Boolean)).toBe(true)
    const again = new Workload(init)
    expect([other.key(), other.value()]).toEqual([again.key(), again.value()])
    expect(other.value()).toHaveLength(128)
  })
})

it('tables are the same as text and as Markdown, with numbers to the right', () => {
  const table = { title: 'put', head: ['', 'per second'], rows: [['a|b', '12']] }
  expect(textOf(table)).toBe('put\n     per second\na|b          12')
  expect(markdownOf(table)).toBe('## put\n\n|  | per second |\n| --- | ---: |\n| a\\|b | 12 |')
})

it.each([
  { vnodes: 1, first: 0.01, last: 4.605 },
  { vnodes: 128, first: 0.806, last: 1.22 }
])('Gamma($vnodes, 1/$vnodes) has $first and $last as 1st and 99th percentile', ({ vnodes, first, last }) => {
  expect(gammaQuantile(vnodes, 0.01)).toBeCloseTo(first, 2)
  expect(gammaQuantile(vnodes, 0.99)).toBeCloseTo(last, 2)
})

describe('an open loop', () => {
  it('calls on while nothing is answered, and gives each answer to the recorder of its call', async () => {
    const answers: Array<() => void> = []
    const waiting = Promise.withResolvers<undefined>()
    const loop = new OpenLoop(
      () => {
        const { promise, resolve } = Promise.withResolvers<undefined>()
        answers.push(() => resolve(undefined))
        if (answers.length === 5) waiting.resolve(undefined)
        return promise
      },
      { perSecond: 1_000, signal }
    )
    const [first, second] = [1, 2].map(() => ({ latencies: newHistogram(), failures: 0 }))
    loop.record(first)
    await waiting.promise
    const called = answers.length
    loop.record(second)
    for (const answer of answers) answer()
    await loop.stop()
    expect(first!.latencies.totalCount).toBe(called)
    expect(second!.latencies.totalCount).toBe(0)
  })

  it('counts what failed, and from when it was due what is called late', async () => {
    let calls = 0
    const recorder = { latencies: newHistogram(), failures: 0 }
    const enough = Promise.withResolvers<undefined>()
    const loop = new OpenLoop(
      () => {
        if (++calls === 40) enough.resolve(undefined)
        return calls === 2 ? Promise.reject(new Error('refused')) : Promise.resolve()
      },
      { perSecond: 1_000, signal }
    )
    loop.record(recorder)
    const until = performance.now() + 30
    // The event loop stands still, and what was due meanwhile is called after it.
    while (performance.now() < until);
    await enough.promise
    await loop.stop()
    expect(recorder.failures).toBe(1)
    expect(recorder.latencies.maxValue).toBeGreaterThan(20_000)
  })
})
