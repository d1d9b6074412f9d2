/** Schedules of removals: who may take a member out that does not answer. */
import { describe, expect, it } from 'vitest'
import { Stage } from './stage.ts'

describe('a removal', () => {
  /**
   * Rule: it is proposed only by who sees most members alive. a, b and c are most of those who decide, so nothing
   * else keeps them from it; and it is asked for by hand, so that copies may be lost.
   */
  it('is not made by a minority, though most of those who decide are in it', async () => {
    const stage = await Stage.of('abcdefg')
    const cut = stage.cluster.network.cut(
      Array.from('abc', name => stage.peer(name).peerId),
      Array.from('defg', name => stage.peer(name).peerId)
    )
    const isDown = (): boolean => Array.from('defg').every(name => stage.view(name, 'a')?.liveness === 'down')
    await stage.until('a holds the others down', isDown)
    const giveUp = new AbortController()
    const removal = stage
      .core('a')
      .remove(stage.peer('g').peerId, { acceptLoss: true, signal: giveUp.signal })
      .catch((error: unknown) => error)
    await stage.pass(30_000)
    expect(stage.view('g', 'a')?.standing).toBe('up')
    giveUp.abort()
    await stage.settle(removal)

    // Where they see most of them again, it is made.
    cut.heal()
    stage.kill('g')
    await stage.settle(stage.core('a').remove(stage.peer('g').peerId, { acceptLoss: true }))
    await stage.until('g is out', () => stage.view('g', 'a') === undefined)
    await stage.end()
  })
})
