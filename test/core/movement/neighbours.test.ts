import { describe, expect, it } from 'vitest'

import { Domains } from '../../../src/core/movement/domains.ts'
import { Neighbours } from '../../../src/core/movement/neighbours.ts'
import { topologyFromWire, topologyToWire } from '../../../src/core/topology/codec.ts'
import { VirtualClock, VirtualTime } from '../../simulation/clock.ts'
import { SeededRandom } from '../../simulation/random.ts'
import { id, run } from '../topology/script.ts'

const three = run('found a; open +b +c; close')

async function followed() {
  const time = new VirtualTime()
  const init = { isReturning: false }
  const neighbours = new Neighbours({ clock: new VirtualClock(time), random: new SeededRandom(1) }, init)
  neighbours.follow(new Domains(three, id('a')))
  // The sessions after the change are over, and the next are due within half a minute.
  await time.run(2_000)
  for (let next = neighbours.next(() => true); next!.dueMs <= time.nowMs; next = neighbours.next(() => true))
    neighbours.begin(next!)
  const dueMs = (): number => neighbours.next(() => true)!.dueMs
  return { time, neighbours, dueMs }
}

describe('the neighbours of a member', () => {
  it('are due when they were where an equal ring comes, be it the same object or another', async () => {
    const { neighbours, dueMs } = await followed()
    const before = dueMs()
    const again = topologyFromWire(topologyToWire(three))
    expect(again.before).not.toBe(three.before)
    neighbours.follow(new Domains(again, id('a')))
    expect(dueMs()).toBe(before)
  })

  it('are due within a second where the ring changed', async () => {
    const { time, neighbours, dueMs } = await followed()
    neighbours.follow(new Domains(run('open +d; close', { from: three }), id('a')))
    expect(dueMs()).toBeLessThanOrEqual(time.nowMs + 1_000)
  })
})
