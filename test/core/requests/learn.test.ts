import { expect, it } from 'vitest'
import { ServeError } from '../../../src/core/ports.ts'
import { serveLearn } from '../../../src/core/requests/learn.ts'
import { entryToWire } from '../../../src/core/topology/codec.ts'
import { entryOf, found } from '../topology/script.ts'
import { logOf } from './fakes.ts'

it('entries that follow on the log are taken in', async () => {
  const log = await logOf('found a')
  const entries = [entryToWire(entryOf(log.current, 'open +b'))]
  expect(await serveLearn(log, { log: { entries } })).toEqual({ done: {} })
  expect(log.epoch).toBe(2)
})

it.each([
  ['an entry of no kind', { epoch: 2 }],
  [
    'an entry that names a malformed member',
    { epoch: 2, open: { joins: [], leaves: [{ peerId: '!', life: '' }], removals: [], lost: [] } }
  ],
  ['an entry that does not follow', entryToWire({ ...found('b'), epoch: 2 })]
])('%s is a bad request, and nothing of it is taken in', async (_, entry) => {
  const log = await logOf('found a')
  const answer = serveLearn(log, { log: { entries: [entry] } })
  await expect(answer).rejects.toThrow(ServeError)
  await expect(answer).rejects.toMatchObject({ code: 'bad-request' })
  expect(log.epoch).toBe(1)
})
