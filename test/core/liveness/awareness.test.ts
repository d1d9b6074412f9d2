import { expect, test } from 'vitest'
import { Awareness } from '../../../src/core/liveness/awareness.ts'

test('the worse a peer is, the longer it waits, within limits (Lifeguard, section IV-A)', () => {
  const awareness = new Awareness({ max: 8 })
  const scores = [-1, 1, 2, -1, 100, -1, -100].map(delta => {
    awareness.apply(delta)
    return [awareness.score, awareness.stretch(500)]
  })
  expect(scores).toEqual([
    [0, 500],
    [1, 1_000],
    [3, 2_000],
    [2, 1_500],
    [8, 4_500],
    [7, 4_000],
    [0, 500]
  ])
})
