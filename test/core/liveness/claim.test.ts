import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  claimOf,
  compareClaims,
  maxIncarnation,
  toRumour,
  type Claim
} from '../../../src/core/liveness/claim.ts'
import { Rumour } from '../../../src/wire/generated/messages.ts'
import { memberNamed } from './harness.ts'

const claims = fc.record<Claim>({
  liveness: fc.constantFrom('alive', 'suspect', 'down'),
  boot: fc.nat(3),
  incarnation: fc.nat(3)
})

describe('which claim counts (SWIM, section 4.2)', () => {
  test('a later boot beats all of an earlier one, a refutation beats all before it', () => {
    const order: Claim[] = [
      { liveness: 'alive', boot: 1, incarnation: 0 },
      { liveness: 'suspect', boot: 1, incarnation: 0 },
      { liveness: 'down', boot: 1, incarnation: 0 },
      { liveness: 'alive', boot: 1, incarnation: 1 },
      { liveness: 'down', boot: 1, incarnation: 9 },
      { liveness: 'alive', boot: 2, incarnation: 0 }
    ]
    for (let i = 1; i < order.length; i++) expect(compareClaims(order[i]!, order[i - 1]!)).toBeGreaterThan(0)
  })

  test('claims are in one total order, so all who hear the same ones think the same', () => {
    fc.assert(
      fc.property(fc.array(claims, { minLength: 1 }), heard => {
        const best = (list: Claim[]): Claim => list.reduce((a, b) => (compareClaims(b, a) > 0 ? b : a))
        expect(best(heard.toReversed())).toEqual(best(heard))
      })
    )
  })

  test('a claim survives the wire', () => {
    fc.assert(
      fc.property(claims, claim => {
        const rumour = Rumour.decode(Rumour.encode(toRumour(memberNamed(1), claim, memberNamed(2))))
        expect(claimOf(rumour)).toEqual(claim)
        expect(rumour.from).toEqual(memberNamed(2))
      })
    )
  })

  test.each([
    { boot: -1, incarnation: 0 },
    { boot: 0.5, incarnation: 0 },
    { boot: 2 ** 53, incarnation: 0 },
    { boot: 1, incarnation: -1 },
    { boot: 1, incarnation: maxIncarnation + 1 }
  ])('a rumour of boot $boot and incarnation $incarnation is not believed', numbers => {
    expect(
      claimOf({ ...toRumour(memberNamed(1), { liveness: 'down', boot: 1, incarnation: 0 }), ...numbers })
    ).toBe(undefined)
  })

  test('a rumour of no liveness is not believed', () => {
    expect(claimOf(Rumour.decode(Rumour.encode({ boot: 1 })))).toBe(undefined)
  })
})
