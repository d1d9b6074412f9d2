import { describe, expect, it } from 'vitest'
import { IdentityDamagedError, identityKeyName, identityNames, nextBoot } from '../../src/core/identity.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import { SeededRandom } from '../simulation/random.ts'

describe('the identity of a peer', () => {
  it('keeps its life and counts its starts', async () => {
    const [store, random] = [new MemoryStore(), new SeededRandom(1)]
    const first = await nextBoot(store, random)
    expect(first.life).toMatch(/^[0-9a-f]{16}$/)
    expect(first.boot).toBe(1)
    expect(await nextBoot(store, random)).toEqual({ life: first.life, boot: 2 })
    expect(await nextBoot(store, random)).toEqual({ life: first.life, boot: 3 })
  })

  it('begins another life, at its first start, in a store that was emptied; the key stays', async () => {
    const [store, random] = [new MemoryStore(), new SeededRandom(1)]
    await store.writeMeta([[identityKeyName, Uint8Array.of(7)]])
    const first = await nextBoot(store, random)
    await nextBoot(store, random)
    await store.clear(identityNames)
    const second = await nextBoot(store, random)
    expect(second.life).not.toBe(first.life)
    expect(second.boot).toBe(1)
    expect(await store.readMeta(identityKeyName)).toEqual(Uint8Array.of(7))
  })

  it('has the number on disk before it is used: a start that could not write it down never was', async () => {
    const store = new MemoryStore()
    const written: string[] = []
    const failing = Object.assign(Object.create(store) as MemoryStore, {
      readMeta: (name: string) => store.readMeta(name),
      writeMeta: (changes: readonly (readonly [string, unknown])[]) => {
        written.push(...changes.map(([name]) => name))
        return Promise.reject(new Error('the disk is full'))
      }
    })
    await expect(nextBoot(failing, new SeededRandom(1))).rejects.toThrow('the disk is full')
    expect(written.sort()).toEqual(['peer/boot', 'peer/life'])
  })
})

describe('a damaged identity', () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)

  it.each([
    ['a life that is none', 'not a life', '3'],
    ['a boot number that is none', '0123456789abcdef', 'NaN'],
    ['a boot number that cannot be counted on', '0123456789abcdef', '9'.repeat(17)],
    ['no boot number', '0123456789abcdef', undefined]
  ])('(%s) is not gone on with, and stays as it is', async (_, life, boot) => {
    const store = new MemoryStore()
    await store.writeMeta([['peer/life', text(life)]])
    if (boot !== undefined) await store.writeMeta([['peer/boot', text(boot)]])
    await expect(nextBoot(store, new SeededRandom(1))).rejects.toThrow(IdentityDamagedError)
    expect(await store.readMeta('peer/life')).toEqual(text(life))
  })
})
