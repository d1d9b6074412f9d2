import { describe, expect, it } from 'vitest'
import { maxMembers } from '../../src/core/limits.ts'
import type { SimulatedCluster } from './cluster.ts'
import { GuardRails, mostJoins, peersAtStart } from './run/guard-rails.ts'
import type { FaultStep } from './run/script.ts'
import { settingsOf, type FaultKind } from './run/settings.ts'

const fault = (kind: FaultKind): FaultStep => ({ atMs: 0, kind, draw: 0, durationMs: 0 })

describe('the room for those who join', () => {
  it('is left at the start of a run in which some do, up to the limit of members', () => {
    expect(peersAtStart(8, [fault('join')])).toBe(8)
    expect(peersAtStart(maxMembers, [fault('kill')])).toBe(maxMembers)
    for (const kind of ['join', 'join-many', 'kill-joining'] as const)
      expect(peersAtStart(maxMembers, [fault('kill'), fault(kind)])).toBeLessThanOrEqual(
        maxMembers - mostJoins
      )
  })

  it('is counted by those who come back too', () => {
    const settings = settingsOf({ seed: 1, peers: maxMembers })
    const mayJoin = (stay: number, left: number): boolean => {
      const peers = Array.from({ length: stay + left }, (_, i) => ({ hasLeft: i >= stay }))
      // Only what it looks at: none of them runs now.
      const cluster = { running: [], peers } as unknown as SimulatedCluster
      return new GuardRails({ cluster }, { settings }).mayJoin()
    }
    expect(mayJoin(maxMembers - mostJoins, 5)).toBe(true)
    expect(mayJoin(maxMembers - mostJoins + 1, 0)).toBe(false)
  })
})
