import { describe, expect, it } from 'vitest'
import { CatchUp } from '../../../src/core/requests/catch-up.ts'
import { silent } from '../topology/fakes.ts'
import { advance, logOf, remoteOf } from './fakes.ts'

const from = remoteOf('b')
const options = { timeoutMs: 100 }

async function make(answer: (log: Awaited<ReturnType<typeof logOf>>, fetch: number) => Promise<void>) {
  const log = await logOf('found a')
  const asked: number[] = []
  const calls = {
    call: async (_to: unknown, request: { fetchLog?: { after: number } | undefined }) => {
      asked.push(request.fetchLog!.after)
      await answer(log, asked.length)
      return { epoch: 9, done: {} }
    }
  }
  return { log, asked, catchUp: new CatchUp({ calls, log, logger: silent }) }
}

describe('catching up', () => {
  it('fetches slice after slice until it is there', async () => {
    const { log, asked, catchUp } = await make((log, fetch) =>
      advance(log, fetch === 1 ? 'open +b' : 'close')
    )
    await catchUp.to(from, 3, options)
    expect(log.epoch).toBe(3)
    expect(asked).toEqual([1, 2])
  })

  it('asks nothing where it is there already', async () => {
    const { asked, catchUp } = await make(() => Promise.resolve())
    await catchUp.to(from, 1, options)
    expect(asked).toEqual([])
  })

  it('ends where the other has no more, or fails', async () => {
    const nothing = await make(() => Promise.resolve())
    await nothing.catchUp.to(from, 5, options)
    expect(nothing.asked).toEqual([1])
    const failing = await make(() => Promise.reject(new Error('lost')))
    await failing.catchUp.to(from, 5, options)
    expect(failing.log.epoch).toBe(1)
  })

  it('is done once for all who wait for it, and again for who needs more', async () => {
    const { log, asked, catchUp } = await make((log, fetch) =>
      advance(log, fetch === 1 ? 'open +b' : 'close')
    )
    await Promise.all([
      catchUp.to(from, 2, options),
      catchUp.to(from, 2, options),
      catchUp.to(from, 3, options)
    ])
    expect(log.epoch).toBe(3)
    expect(asked).toEqual([1, 2])
  })
})
