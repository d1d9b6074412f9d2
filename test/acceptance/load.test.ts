import { describe, expect, it } from 'vitest'
import { Load, type LoadClient } from '../../scripts/acceptance/load.ts'
import { AnnulusError } from '../../src/core/errors.ts'

const init = { keys: 3, lanes: 1, pauseMs: 0, retries: 2, retryPauseMs: 0 }

/** A register in memory for each key, with versions that grow. */
function makeStore(): LoadClient {
  const records = new Map<string, { value: Uint8Array | undefined; version: string }>()
  let writes = 0
  const write = (
    key: unknown,
    value: Uint8Array | undefined
  ): Promise<{ version: string; replicas: number }> => {
    const version = String(++writes).padStart(8, '0')
    records.set(String(key), { value, version })
    return Promise.resolve({ version, replicas: 3 })
  }
  return {
    put: (key, value) => write(key, value),
    delete: key => write(key, undefined),
    get: key => {
      const { value, version = '' } = records.get(String(key)) ?? {}
      return Promise.resolve(value === undefined ? undefined : { value, version, expiresAt: undefined })
    }
  }
}

/** Loads clients until so many operations are over. */
async function run(clients: readonly LoadClient[], operations: number): Promise<Load> {
  const load = new Load(clients, init)
  await load.fill()
  load.start()
  while (load.history.ended.length < operations) await new Promise(resolve => setImmediate(resolve))
  await load.stop()
  return load
}

function failing(indefinite: boolean, everyNth: number): LoadClient {
  const store = makeStore()
  let puts = 0
  return {
    ...store,
    put: async (key, value) => {
      if (++puts % everyNth !== 0) return store.put(key, value)
      const code = indefinite ? 'ERR_OUTCOME_UNKNOWN' : 'ERR_QUORUM'
      throw new AnnulusError(code, 'a test wants it so', { indefinite })
    }
  }
}

describe('the load of acceptance', () => {
  it('finds nothing wrong with a store that is linearizable', async () => {
    const store = makeStore()
    const load = await run([store, store], 500)
    expect(load.judge()).toEqual([])
    expect([load.failed, load.retried]).toEqual([[], 0])
  })

  it('finds a client that reads what another one has replaced', async () => {
    const store = makeStore()
    const first = new Map<unknown, Awaited<ReturnType<LoadClient['get']>>>()
    const get: LoadClient['get'] = async key => {
      if (!first.has(key)) first.set(key, await store.get(key))
      return first.get(key)
    }
    const load = await run([store, { ...store, get }], 500)
    expect(load.judge().map(({ guarantee }) => guarantee)).toContain('G4')
  })

  it('tries again what surely had no effect, with no failure where that helps', async () => {
    const load = await run([failing(false, 2)], 200)
    expect(load.failed).toEqual([])
    expect(load.retried).toBeGreaterThan(10)
    expect(load.judge()).toEqual([])
  })

  it('counts as failed what no try could do', async () => {
    const load = await run([failing(false, 1)], 50)
    expect(load.failed.length).toBeGreaterThan(0)
    expect(load.failed.every(({ outcome }) => outcome === 'refused')).toBe(true)
  })

  it('never tries again what may have had an effect, and counts it as failed', async () => {
    const load = await run([failing(true, 2)], 200)
    expect(load.retried).toBe(0)
    expect(load.failed.length).toBe(load.history.count('unknown'))
    expect(load.failed.length).toBeGreaterThan(10)
  })
})
