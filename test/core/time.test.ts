import { describe, expect, it } from 'vitest'
import { Canceller } from '../../src/core/canceller.ts'
import { orAbort } from '../../src/core/time.ts'

/** A promise that counts how often somebody has it call them back. */
class CountedPromise<T> extends Promise<T> {
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  reactions = 0

  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null
  ): Promise<A | B> {
    this.reactions++
    return super.then(fulfilled, rejected)
  }
}

const reason = (): Error => new Error('given up')

describe('waiting for what others wait for too', () => {
  it('gives all of them what comes, also those who ask later', async () => {
    const { promise, resolve } = Promise.withResolvers<number>()
    const waiting = [1, 2].map(() => orAbort(promise, new Canceller(), reason))
    resolve(7)
    expect(await Promise.all(waiting)).toEqual([7, 7])
    expect(await orAbort(promise, new Canceller(), reason)).toBe(7)
  })

  it('fails for all of them as that fails', async () => {
    const { promise, reject } = Promise.withResolvers<number>()
    const waiting = [1, 2].map(() => orAbort(promise, new Canceller(), reason))
    reject(new Error('broken'))
    for (const each of await Promise.allSettled(waiting))
      expect(each).toMatchObject({ status: 'rejected', reason: { message: 'broken' } })
  })

  it('ends for who gives up, and for nobody else', async () => {
    const { promise, resolve } = Promise.withResolvers<number>()
    const canceller = new Canceller()
    const [given, other] = [orAbort(promise, canceller, reason), orAbort(promise, new Canceller(), reason)]
    canceller.abort(undefined)
    await expect(given).rejects.toThrow('given up')
    await expect(orAbort(promise, canceller, reason)).rejects.toThrow('given up')
    resolve(7)
    expect(await other).toBe(7)
  })

  it('gives what is there even to who has given up', async () => {
    const canceller = new Canceller()
    canceller.abort(undefined)
    expect(await orAbort(Promise.resolve(7), canceller, reason)).toBe(7)
  })

  it('leaves nothing behind on what never comes', async () => {
    const promise = new CountedPromise<number>(() => undefined)
    for (let i = 0; i < 100; i++) {
      const canceller = new Canceller()
      const given = orAbort(promise, canceller, reason)
      canceller.abort(undefined)
      await expect(given).rejects.toThrow('given up')
    }
    expect(promise.reactions).toBe(1)
  })
})
