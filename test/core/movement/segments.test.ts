import { describe, expect, it } from 'vitest'
import { appendRange, segmentsOf } from '../../../src/core/movement/segments.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import { contains, wholeRing, type Range } from '../../../src/core/ring/range.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { names, run } from '../topology/script.ts'

const positions = Array.from({ length: 200 }, (_, i) => positionOf(Buffer.from(`key ${i}`)))

/** Each position lies in one segment, whose lists are those of the rings. */
function expectSegments(topology: Topology): void {
  const { before, after = before, replicas } = topology
  for (const position of positions) {
    const found = [...segmentsOf(topology)].filter(({ range }) => contains(range, position))
    expect(found).toHaveLength(1)
    expect(names(found[0]!.before)).toBe(names(before.replicas(position, replicas)))
    expect(names(found[0]!.after)).toBe(names(after.replicas(position, replicas)))
  }
}

describe('the segments of a topology', () => {
  it('cover the ring once, each with its replicas in both rings', () => {
    expectSegments(run('found a; open +b +c +d; close; open +e -b'))
  })

  it('have the same replicas before and after while no transition is open', () => {
    const topology = run('found a; open +b +c +d; close')
    expectSegments(topology)
    for (const { before, after } of segmentsOf(topology)) expect(names(after)).toBe(names(before))
  })

  it('are worked out once for each topology', () => {
    const topology = run('found a; open +b')
    expect(segmentsOf(topology)).toBe(segmentsOf(topology))
    expect(segmentsOf(run('close', { from: topology }))).not.toBe(segmentsOf(topology))
  })
})

describe('ranges that are added in ring order', () => {
  it('are one where they touch, and the whole ring where they all do', () => {
    const [first, second, third] = [...segmentsOf(run('found a; open +b +c +d; close'))].map(
      ({ range }) => range
    )
    const ranges: Range[] = []
    for (const range of [first!, second!]) appendRange(ranges, range)
    expect(ranges).toEqual([{ start: first!.start, end: second!.end }])
    const apart: Range[] = []
    for (const range of [first!, third!]) appendRange(apart, range)
    expect(apart).toEqual([first, third])
    const all: Range[] = []
    for (const { range } of segmentsOf(run('found a; open +b +c +d; close'))) appendRange(all, range)
    expect(all).toEqual([wholeRing])
  })
})
