import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Greeting } from '../../src/core/ports.ts'
import { MalformedError } from '../../src/libp2p/frame.ts'
import { decodeHello, encodeHello, type HelloRefusal, type Introduction } from '../../src/libp2p/hello.ts'
import { newInstance } from '../../src/libp2p/ids.ts'
import { Hello, Refusal, Role } from '../../src/wire/generated/frame.ts'

const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .array(
      fc.integer({ min: 0, max: 15 }).map(digit => digit.toString(16)),
      { minLength: length, maxLength: length }
    )
    .map(all => all.join(''))

const number = fc.maxSafeNat()

const greeting: fc.Arbitrary<Greeting> = fc.constantFrom('peer' as const, 'client' as const).chain(role =>
  fc.record({
    network: fc.string({ maxLength: 50 }),
    clusterId: fc.oneof(fc.constant(''), hex(32)),
    generation: number,
    role: fc.constant(role),
    life: role === 'peer' ? hex(16) : fc.constant(''),
    boot: number,
    epoch: number
  })
)

const someGreeting: Greeting = {
  network: 'n',
  clusterId: '',
  generation: 0,
  role: 'peer',
  life: '0123456789abcdef',
  boot: 1,
  epoch: 0
}

function introduce(changes: Partial<Introduction> = {}): Introduction {
  return {
    greeting: someGreeting,
    lane: 'main',
    instance: newInstance(),
    address: new Uint8Array([1, 2]),
    software: 'annulus/0',
    ...changes
  }
}

describe('a greeting', () => {
  it('tells one that the allow lists keep out nothing but that', () => {
    const own = introduce({ greeting: { ...someGreeting, network: 'secret', clusterId: 'ab'.repeat(16) } })
    const sent = encodeHello(own, { code: 'role', reason: 'it is on no allow list' })
    expect(Hello.decode(sent)).toMatchObject({ network: '', clusterId: '', life: '', refusalCode: 7 })
    expect(Hello.decode(sent).address).toHaveLength(0)
    expect(decodeHello(sent, 'peer')).toEqual({ code: 'role', reason: 'it is on no allow list' })
  })

  it('comes back as it was', () => {
    fc.assert(
      fc.property(greeting, fc.constantFrom('main' as const, 'bulk' as const), (said, lane) => {
        const own = introduce({ greeting: said, lane })
        expect(decodeHello(encodeHello(own), 'peer')).toEqual({
          remote: { peerId: 'peer', ...said },
          lane,
          instance: Buffer.from(own.instance).toString('hex'),
          address: own.address,
          software: own.software
        })
      })
    )
  })

  it.each(['protocol', 'network', 'cluster', 'duplicate', 'busy', 'superseded'] as const)(
    'that refuses for the reason "%s" says so by the number of frame.proto',
    code => {
      const bytes = encodeHello(introduce(), { code, reason: 'why' })
      expect(decodeHello(bytes, 'peer')).toEqual<HelloRefusal>({ code, reason: 'why' })
      const name = Object.values(Refusal)[Hello.decode(bytes).refusalCode]
      expect(name).toBe(`REFUSAL_${code.toUpperCase()}`)
    }
  )

  it('of another version of the protocol is refused, whatever else it says', () => {
    const bytes = Hello.encode({ protocol: 2, life: 'something new' })
    expect(decodeHello(bytes, 'peer')).toMatchObject({ code: 'protocol' })
  })

  it.each<[string, Partial<Hello>]>([
    ['no role', { role: Role.ROLE_UNKNOWN }],
    ['a peer without a life', { life: '' }],
    ['a client with a life', { role: Role.ROLE_CLIENT }],
    ['a life in capitals', { life: '0123456789ABCDEF' }],
    ['a short cluster id', { clusterId: '00' }],
    ['no instance', { instance: new Uint8Array(0) }],
    ['a network name of a thousand letters', { network: 'n'.repeat(1000) }]
  ])('with %s is malformed', (_, change) => {
    const hello = Hello.decode(encodeHello(introduce()))
    expect(() => decodeHello(Hello.encode({ ...hello, ...change }), 'peer')).toThrow(MalformedError)
  })

  it('of random bytes is a refusal or malformed, and nothing else happens', () => {
    const random = fc.uint8Array({ maxLength: 100 })
    const mutated = fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([place, byte]) => {
      const bytes = encodeHello(introduce({ lane: 'bulk' }))
      bytes[place % bytes.length] = byte
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(random, mutated), bytes => {
        try {
          decodeHello(bytes, 'peer')
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError)
        }
      })
    )
  })
})
