import { expect, it } from 'vitest'
import { fuzzLive } from './live.ts'

it('a peer serves a client while strangers greet it and then send what nobody sends', async () => {
  const { streams, answers } = await fuzzLive({ seed: 1, messages: 8_000 })
  expect(streams).toBeGreaterThan(10)
  // Most of it got as far as to be answered.
  expect(answers).toBeGreaterThan(4_000)
})
