import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeDecoders, type Decoder } from './decoders.ts'
import { fuzz, FuzzFailure } from './fuzz.ts'

let made: Awaited<ReturnType<typeof makeDecoders>>
beforeAll(async () => {
  made = await makeDecoders()
})
afterAll(() => made.stop())

describe('whatever bytes come', () => {
  it('every decoder reads them or throws its own error, and takes little memory', async () => {
    const { counts } = await fuzz(made.decoders, { seed: 1, messages: 4_000 })
    // Each has got beyond its first check, and has been there to refuse something or to bear it.
    for (const [name, { read, refused }] of counts) expect([name, read + refused > 100]).toEqual([name, true])
  })

  it('every decoder reads its samples as they are', async () => {
    for (const { name, samples, decode } of made.decoders) {
      // A peer that is alone refuses what it is asked about others.
      if (name === 'a request to a peer') continue
      for (const sample of samples) await decode(sample)
    }
  })
})

describe('the fuzzer', () => {
  const decoderThat = (decode: Decoder['decode']): Decoder => ({
    name: 'a faulty one',
    samples: [Uint8Array.of(1, 2, 3, 4)],
    decode,
    errors: [RangeError]
  })

  it('finds an error that was not announced, and says how to see it again', async () => {
    const faulty = decoderThat(bytes => {
      if (bytes.length > 4) throw new TypeError('not announced')
      throw new RangeError('announced')
    })
    const failure = await fuzz([faulty], { seed: 3, messages: 1_000 }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(FuzzFailure)
    const [, number] = /--seed 3 --message (\d+)/.exec(String(failure))!
    const again = fuzz([faulty], { seed: 3, first: Number(number), messages: 1 })
    await expect(again).rejects.toThrow((failure as FuzzFailure).message.split('\n')[0]!)
  })

  it('finds a message that takes too much memory', async () => {
    const kept: Uint8Array[] = []
    const faulty = decoderThat(() => kept.push(new Uint8Array(100 * 1024 * 1024)))
    await expect(fuzz([faulty], { seed: 1, messages: 1 })).rejects.toThrow(/it took \d+ MB/)
  })
})
