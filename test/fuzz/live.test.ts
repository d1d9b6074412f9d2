import { expect, it } from 'vitest'
import { fuzzLive } from './live.ts'

it('a peer serves a client while strangers greet it and then send what nobody sends', async () => {
  const { messages } = await fuzzLive({ seed: 1, streams: 40 })
  expect(messages).toBeGreaterThan(200)
})
