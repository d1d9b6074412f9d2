import { expect, it } from 'vitest'
import type { MemberStatus, Status } from '../../src/api.ts'
import { formatLocation } from '../../src/cli/locate.ts'
import { formatStatus } from '../../src/cli/status-table.ts'
import { statusDocument } from '../../src/cli/status.ts'

const member = (peerId: string, changes: Partial<MemberStatus> = {}): MemberStatus => ({
  peerId,
  life: '00000000000000aa',
  addresses: [`/ip4/127.0.0.1/tcp/4001/p2p/${peerId}`],
  standing: 'up',
  liveness: 'alive',
  vnodes: 128,
  share: 0.5,
  records: 1234,
  bytes: 1536,
  damaged: 0,
  trouble: null,
  sentRecords: 0,
  sentBytes: 0,
  refused: { kinds: {}, peers: [] },
  limits: {},
  version: '0.1.0',
  ...changes
})

const status: Status = {
  network: 'annulus',
  clusterId: 'c1',
  epoch: 7,
  replicas: 3,
  purgedBefore: null,
  members: [
    member('12D3A'),
    member('12D3B', {
      liveness: 'down',
      records: null,
      bytes: null,
      version: null,
      addresses: [],
      share: 0.0456
    }),
    member('12D3C', { liveness: 'suspect', standing: 'leaving' })
  ],
  transition: null,
  transfers: []
}

it('shows the members as a table, one a line', () => {
  expect(formatStatus(status)).toBe(
    [
      'Network annulus, cluster c1, epoch 7, 3 replicas of each record',
      '',
      '    Address                  Records    Bytes  Vnodes   Share  Version  Peer',
      'UN  /ip4/127.0.0.1/tcp/4001    1,234  1.5 KiB     128  50.0 %  0.1.0    12D3A',
      'DN  -                              -        -     128   4.6 %  -        12D3B',
      'SL  /ip4/127.0.0.1/tcp/4001    1,234  1.5 KiB     128  50.0 %  0.1.0    12D3C',
      '',
      'Transition: none',
      'Transfers: none'
    ].join('\n')
  )
})

it('says what moves, and what that waits for', () => {
  const text = formatStatus({
    ...status,
    transition: {
      opened: 7,
      latest: 8,
      joining: ['12D3D'],
      leaving: ['12D3C'],
      removing: [],
      waitingFor: ['12D3D']
    },
    transfers: [
      {
        peerId: '12D3D',
        kind: 'take',
        records: 1,
        bytes: 10,
        recordsLeft: 1_200,
        bytesPerSecond: 5,
        secondsLeft: 3_750,
        waitsFor: 'bandwidth'
      }
    ]
  })
  expect(text).toContain('Transition: opened at epoch 7: 12D3D joins, 12D3C leaves; waits for 12D3D')
  expect(text).toContain(
    '  12D3D takes over: 1 record, 10 B so far, some 1,200 left, 5 B/s, 1 h 02 m left; waits for bandwidth'
  )
})

it('says what has moved, where anything has', () => {
  const members = [...status.members, member('12D3E', { sentRecords: 1_000, sentBytes: 2_048 })]
  expect(formatStatus({ ...status, members })).toMatch(/^Moved since .*: 1,000 records, 2.0 KiB$/m)
})

it('says what is damaged, and before what time deletes are forgotten, where there is such', () => {
  const [a, b] = status.members
  const members = [a!, { ...b!, damaged: null }, member('12D3E', { damaged: 2 })]
  const text = formatStatus({ ...status, members, purgedBefore: Date.UTC(2026, 10, 21, 9, 30) })
  expect(text.match(/^Damaged .*$/gm)).toEqual(['Damaged on 12D3E: 2 records, being repaired'])
  expect(text).toContain('Deletes forgotten for good: those before 2026-11-21T09:30:00.000Z')
})

it('says where records cannot be compared, and why', () => {
  const members = [...status.members, member('12D3E', { trouble: 'its records cannot be counted' })]
  const text = formatStatus({ ...status, members })
  expect(text.match(/^Trouble .*$/gm)).toEqual(['Trouble on 12D3E: its records cannot be counted'])
})

it('has a line for a member that has refused what others said', () => {
  const peers = [{ peerId: '12D3X', kinds: { malformed: 3 }, last: 'a position has 32 bytes, this one 7' }]
  const refused = { kinds: { malformed: 1_003, role: 1 }, peers }
  const text = formatStatus({ ...status, members: [...status.members, member('12D3E', { refused })] })
  expect(text.match(/^Refused .*$/gm)).toEqual([
    'Refused by 12D3E: 1,003 malformed, 1 role; lately of 12D3X: a position has 32 bytes, this one 7'
  ])
})

it('keeps the names that scripts rely on', () => {
  const document = statusDocument(status) as Record<string, unknown> & { members: object[] } // a plain object
  expect(Object.keys(document)).toEqual([
    'network',
    'clusterId',
    'epoch',
    'replicas',
    'purgedBefore',
    'members',
    'transition',
    'transfers'
  ])
  expect(Object.keys(document.members[0]!)).toEqual(
    expect.arrayContaining([
      'peerId',
      'addresses',
      'standing',
      'liveness',
      'vnodes',
      'share',
      'records',
      'bytes',
      'damaged',
      'trouble',
      'sentRecords',
      'sentBytes',
      'refused',
      'limits',
      'version'
    ])
  )
  expect(document['transition']).toBeNull()
})

it('shows the replicas of a key by ring', () => {
  const location = { key: 'k', position: 'ff00', replicas: [['A', 'B']] }
  expect(formatLocation(location)).toBe('key       k\nposition  ff00\nreplicas  A\n          B')
  expect(formatLocation({ ...location, replicas: [['A'], ['B']] })).toContain(
    'replicas before  A\nreplicas after   B'
  )
})
