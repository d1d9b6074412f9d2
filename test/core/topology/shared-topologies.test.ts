import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/silent-logger.ts'
import { MemoryStore } from '../../../src/storage/memory.ts'
import { topologyFromWire, topologyToWire } from '../../../src/core/topology/codec.ts'
import { kept } from '../../../src/core/topology/kept-entry.ts'
import { TopologyLog } from '../../../src/core/topology/log.ts'
import { openEntry } from '../../../src/core/topology/entry.ts'
import {
  encodingOf,
  outcomeOf,
  sharedTopology,
  topologyFromBytes
} from '../../../src/core/topology/shared-topologies.ts'
import { id, run } from './script.ts'

function copyOf(topology: ReturnType<typeof run>) {
  return topologyFromWire(topologyToWire(topology))
}

async function logOf(slice: Parameters<TopologyLog['learn']>[0]): Promise<TopologyLog> {
  const log = new TopologyLog({ store: new MemoryStore(), logger: silentLogger })
  await log.learn(slice)
  return log
}

describe('topologies that many peers of a process hold', () => {
  it('are one object where they are equal, however they came', () => {
    const shared = sharedTopology(run('found a; open +b'))
    expect(sharedTopology(copyOf(shared))).toBe(shared)
    expect(topologyFromBytes(encodingOf(shared))).toBe(shared)
    expect(sharedTopology(run('found a; open +b; close'))).not.toBe(shared)
  })

  it('are one object at peers that came there by entries and by a snapshot', async () => {
    const first = await logOf({ entries: [], snapshot: topologyToWire(run('found a; open +b')) })
    const second = await logOf({ entries: [], snapshot: topologyToWire(run('found a; open +b; close')) })
    await first.learn({ entries: [kept({ kind: 'close', epoch: 3 }).wire] })
    expect(first.current!.epoch).toBe(3)
    expect(first.current).toBe(second.current)
  })

  it('become what the same entry makes of them once for all', () => {
    const shared = sharedTopology(run('found a; open +b; close'))
    const leave = kept(openEntry(4, { leaves: [id('b')] }))
    const outcome = outcomeOf(shared, leave)
    expect(outcomeOf(shared, kept(openEntry(4, { leaves: [id('b')] })))).toBe(outcome)
    expect(outcomeOf(shared, kept(openEntry(4, { leaves: [id('a')] })))).not.toBe(outcome)
  })

  it('refuse an entry that may not follow each time', () => {
    const shared = sharedTopology(run('found a; open +b'))
    const leave = kept(openEntry(3, { leaves: [id('a')] }))
    expect(outcomeOf(shared, leave)).toBe('a transition is open')
    expect(outcomeOf(shared, leave)).toBe('a transition is open')
  })
})
