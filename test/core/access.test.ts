import { describe, expect, it, test } from 'vitest'
import { maxListed, readRoles } from '../../src/access-lists.ts'
import type { AllowLists } from '../../src/api.ts'
import { Access, openAccess } from '../../src/core/access.ts'
import { peerIdOf } from '../support/peer-ids.ts'

const [member, client, reader, both, stranger] = [0, 1, 2, 3, 4].map(peerIdOf) as [
  string,
  string,
  string,
  string,
  string
]

const allow = [member, both]
const allowClients = [client, { peerId: reader, readOnly: true }, { peerId: both, readOnly: true }]

function accessOf(lists: AllowLists): Access {
  return new Access({ read: readRoles }, lists)
}

describe('what a peer id may be', () => {
  const of = (lists: AllowLists): unknown[] =>
    [member, client, reader, both, stranger].map(peerId => accessOf(lists).roleOf(peerId))

  it('is anything where there are no lists', () => {
    expect(of({})).toEqual(['member', 'member', 'member', 'member', 'member'])
    expect(openAccess().roleOf(stranger)).toBe('member')
  })

  it('is what its list says, more by the list of members, and nothing for who is on none', () => {
    expect(of({ allow, allowClients })).toEqual(['member', 'client', 'read-only', 'member', undefined])
  })

  it('is nothing for clients where only members are listed, and for members where only clients are', () => {
    expect(of({ allow })).toEqual(['member', undefined, undefined, 'member', undefined])
    expect(of({ allowClients })).toEqual([undefined, 'client', 'read-only', 'read-only', undefined])
    expect(of({ allow: [] })).toEqual([undefined, undefined, undefined, undefined, undefined])
  })

  it('goes by the peer id, however that is written', () => {
    // The same key as a CID in base32 (libp2p spec, peer-ids).
    const cid = 'bafzaajaiaejcbhmxplcdil4juku3og4d4jj6gg3gil2hlngmoeg6rss3hnnn4vez'
    expect(accessOf({ allow: [cid] }).isMember(member)).toBe(true)
  })
})

describe('the lists', () => {
  it('decide what a remote may say that it is', () => {
    const access = accessOf({ allow, allowClients })
    const refusalOf = (peerId: string, role: 'peer' | 'client') => access.refusalOf({ peerId, role })?.reason
    expect(refusalOf(member, 'peer')).toBeUndefined()
    expect(refusalOf(member, 'client')).toBeUndefined()
    expect(refusalOf(client, 'client')).toBeUndefined()
    expect(refusalOf(client, 'peer')).toContain('as a client alone')
    expect(refusalOf(reader, 'peer')).toContain('as a client alone')
    expect(refusalOf(stranger, 'client')).toContain('on no allow list')
    expect([member, client, reader, stranger].map(peerId => access.mayChange(peerId))).toEqual([
      true,
      true,
      false,
      false
    ])
  })

  it('may change, which is told', () => {
    const access = accessOf({ allow })
    let changes = 0
    const stop = access.onChange(() => changes++)
    access.set({ allow: [stranger] })
    expect([access.isMember(stranger), access.isMember(member), changes]).toEqual([true, false, 1])
    stop()
    access.set({})
    expect([access.isMember(member), changes]).toEqual([true, 1])
  })

  it('stay as they are where the new ones are wrong', () => {
    const access = accessOf({ allow })
    access.onChange(() => expect.unreachable())
    expect(() => access.set({ allow: ['nobody'] })).toThrow('"allow" has "nobody", which is no peer id')
    expect(access.isMember(member)).toBe(true)
  })
})

// For those who write JavaScript: anything may come.
test.each([
  [{ allow: 'me' }, '"allow" is no list'],
  [{ allow: [7] }, '"allow" has "7"'],
  [{ allowClients: [null] }, '"allowClients" has "null"'],
  [{ allowClients: [{ readOnly: true }] }, '"allowClients" has "undefined"'],
  [{ allowClients: [{ peerId: client, readOnly: 'yes' }] }, 'takes true or false'],
  [{ allowClients: [client, { peerId: client, readOnly: true }] }, 'twice'],
  [{ allow: Array.from({ length: maxListed + 1 }, () => member) }, `${maxListed} together`]
])('are refused where they are %j', (lists, message) => {
  expect(() => accessOf(lists as AllowLists)).toThrow(message)
})
