import { describe, expect, it } from 'vitest'
import { locate } from '../../src/core/locate.ts'
import { positionOf } from '../../src/core/ring/position.ts'
import { id, run } from './topology/script.ts'

const key = new TextEncoder().encode('ein Schlüssel')

describe('the location of a key', () => {
  it('is its position and its replicas, clockwise', () => {
    const topology = run('found a; open +b +c +d; close')
    const { position, replicas, ...rest } = locate(topology, key)
    expect(rest).toEqual({ key: 'ein Schlüssel' })
    expect(position).toBe(Buffer.from(positionOf(key)).toString('hex'))
    expect(replicas).toEqual([topology.before.replicas(positionOf(key), 3).map(({ peerId }) => peerId)])
  })

  it('has a list for each ring during a transition', () => {
    const { replicas } = locate(run('found a; open +b +c; close; open +d -a'), key)
    expect(replicas.map(list => list.toSorted())).toEqual(
      [
        ['a', 'b', 'c'],
        ['b', 'c', 'd']
      ].map(names => names.map(name => id(name).peerId).sort())
    )
  })

  it('names all members where there are fewer than copies', () => {
    expect(locate(run('found a'), key).replicas).toEqual([[id('a').peerId]])
  })
})
