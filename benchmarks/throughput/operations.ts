/** The operations of one combination, on a client or on a peer. Used by the run and by the embedded peer. */
import type { KeyValueStore } from '../../src/api.ts'
import { Workload } from '../harness/workload.ts'
import type { Point } from './matrix.ts'
import type { ThroughputSettings } from './options.ts'

/** Of a hundred operations of the mixed load. */
const mixedGets = 95

/** Sizes have keys of their own, so that a get of one size never meets another. */
export function workloadOf(
  valueBytes: number,
  { keys, maxStoredBytes }: Pick<ThroughputSettings, 'keys' | 'maxStoredBytes'>,
  seed: number
): Workload {
  const count = Math.min(keys, Math.floor(maxStoredBytes / valueBytes))
  return new Workload({ seed, keys: count, valueBytes, prefix: `${valueBytes} bytes` })
}

export function operationOf(
  store: Pick<KeyValueStore, 'get' | 'put'>,
  { mix, consistency }: Pick<Point, 'mix' | 'consistency'>,
  workload: Workload
): () => Promise<unknown> {
  const get = async (): Promise<void> => {
    const key = workload.key()
    if ((await store.get(key, { consistency })) === undefined) throw new Error(`${key} is not there`)
  }
  const put = (): Promise<unknown> => store.put(workload.key(), workload.value(), { consistency })
  switch (mix) {
    case 'get':
      return get
    case 'put':
      return put
    case 'mixed':
      return () => (workload.percent(mixedGets) ? get() : put())
  }
}
