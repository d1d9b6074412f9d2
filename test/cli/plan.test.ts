/** `annulus plan`: as a process with peers that run, its usage errors, and its words. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import type { Plan, PlannedMove, Status } from '../../src/api.ts'
import { formatPlan } from '../../src/cli/plan-table.ts'
import { planDocument } from '../../src/cli/plan.ts'
import { peerIdOf } from '../support/peer-ids.ts'
import { endAll, start } from '../support/command.ts'
import { run, temporaryFolder } from '../support/processes.ts'

/** Peers take seconds to start on a machine that is busy with other tests. */
const timeoutMs = 90_000

const files = 120

const plan: Plan = {
  change: { kind: 'leave', peerId: '12D3A', vnodes: 128 },
  records: 1_240,
  bytes: 2_048,
  share: 0.26,
  expectedShare: 0.25,
  copies: { before: 3, after: 3 },
  epoch: 9,
  isUnderWay: false,
  moves: [
    { from: '12D3A', to: '12D3B', records: 1_234, bytes: 1_536 },
    { from: '12D3A', to: '12D3C', records: 6, bytes: 512 }
  ]
}

describe('a plan in words', () => {
  it('is a table of who gives what to whom, and the share next to what is to be expected', () => {
    expect(formatPlan(plan)).toBe(
      [
        '12D3A leaves, with 128 virtual nodes, planned at epoch 9',
        '',
        'From   To     Records    Bytes',
        '12D3A  12D3B    1,234  1.5 KiB',
        '12D3A  12D3C        6    512 B',
        'Total           1,240  2.0 KiB',
        '',
        'Share of all copies: 26.0 %, 1.04 times the 25.0 % of its part of all virtual nodes'
      ].join('\n')
    )
  })

  it('says that the joiner is not known, and that another change is under way', () => {
    const moves = plan.moves.map(move => ({ ...move, to: null }))
    const change = { kind: 'join', peerId: null, vnodes: 1 } as const
    const text = formatPlan({ ...plan, change, moves, isUnderWay: true })
    expect(text).toContain('A peer joins, with 1 virtual node, planned at epoch 9; which one is not known')
    expect(text).toContain('Another change is under way: this is for when that is through.')
    expect(text).toContain('12D3A  the joiner    1,234')
  })

  it('says why nothing moves, and what it means where there are fewer copies', () => {
    const nothing = { ...plan, moves: [], records: 0, bytes: 0 }
    expect(formatPlan(nothing)).toContain('Nothing moves: there are no records there yet.')
    const fewer = formatPlan({ ...nothing, share: 0, expectedShare: 0, copies: { before: 3, after: 2 } })
    expect(fewer).toContain('Nothing moves: all who stay hold a copy of everything already.')
    expect(fewer).toContain('Share of all copies: 0.0 %\n')
    expect(fewer).toContain('Each record would have 2 copies instead of 3. The loss of as few peers')
    const last = formatPlan({ ...nothing, share: 0, expectedShare: 0, copies: { before: 1, after: 0 } })
    expect(last).toContain('12D3A is the last member, and what it holds would be lost')
    expect(last).toContain('The last member cannot leave')
    const more = formatPlan({ ...plan, copies: { before: 1, after: 2 } })
    expect(more.split('\n').at(-1)).toBe('Each record would have 2 copies instead of 1.')
  })

  it('keeps the names that scripts rely on', () => {
    const document = planDocument(plan) as Record<string, unknown> // a plain object
    expect(document).toMatchObject({
      change: { kind: 'leave', peerId: '12D3A', vnodes: 128 },
      records: 1_240,
      bytes: 2_048,
      share: 0.26
    })
    expect(document['moves']).toEqual(plan.moves)
  })
})

describe('a usage error of plan', () => {
  test.each([
    ['plan', /no change is named; give --join, or --leave with a member/],
    [`plan --join --leave ${peerIdOf(0)}`, /--join and --leave contradict each other; plan one change/],
    ['plan --join --vnodes 0', /--vnodes is "0"; give a whole number from 1 to 1024/],
    ['plan --join --vnodes 1e2', /--vnodes is "1e2"; give a whole number/],
    [`plan --leave ${peerIdOf(0)} --vnodes 3`, /--vnodes is for --join; a member leaves with those it has/],
    ['plan --join nobody', /--join: nobody is no peer id; give one such as 12D3KooW/],
    ['plan --leave', /argument missing/]
  ])('%s: is said in one line, with exit code 2', async (line, message) => {
    const { code, stdout, stderr } = await run(line.split(' '))
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/^annulus: .+; .+\n$/)
    expect([code, stdout]).toEqual([2, ''])
  })
})

describe('annulus plan', { timeout: timeoutMs }, () => {
  /** Addresses of a cluster of four in memory that holds the files. */
  let peers: string[]

  beforeAll(async () => {
    peers = await start(['cluster', '4', '--memory']).ready(4)
    const folder = join(await temporaryFolder(), 'files')
    await mkdir(folder)
    for (let i = 0; i < files; i++) await writeFile(join(folder, `f${i}`), 'x'.repeat(i))
    const imported = await run(['import', folder, '--consistency', 'all', '--peer', peers[0]!])
    expect(imported.code).toBe(0)
  }, timeoutMs)

  afterAll(endAll)

  const json = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await run([...args, '--json'])
    expect([code, stderr]).toEqual([0, ''])
    return JSON.parse(stdout) as T
  }

  it('says of a leave what the member holds, by the end of its peer id and through any peer', async () => {
    const status = await json<Status>('status', '--peer', peers[0]!)
    const leaver = status.members[2]!
    const found = await json<Plan>('plan', '--leave', leaver.peerId.slice(-8), '--peer', peers[1]!)
    expect(found.change).toEqual({ kind: 'leave', peerId: leaver.peerId, vnodes: 128 })
    expect([found.records, found.bytes]).toEqual([leaver.records, leaver.bytes])
    expect(found.share).toBeCloseTo(leaver.share, 6)
    expect(sumOf(found.moves)).toEqual([leaver.records, leaver.bytes])
    expect(await json<Plan>('plan', '--leave', leaver.peerId, '--peer', peers[3]!)).toEqual(found)
  })

  it('says of a join what a peer would typically take, and just what the named one would', async () => {
    const { stdout, stderr, code } = await run(['plan', '--join', '--peer', peers[0]!])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^A peer joins, with 128 virtual nodes, .*\n\nFrom +To +Records +Bytes\n/)
    expect(stdout.match(/ the joiner /g)).toHaveLength(4)
    expect(stdout).toMatch(/Share of all copies: \d\d\.\d %, [01]\.\d\d times the 20\.0 % of its part/)
    const typical = await json<Plan>('plan', '--join', '--peer', peers[2]!)
    expect(typical.records / (3 * files)).toBeGreaterThan(0.12)
    expect(typical.records / (3 * files)).toBeLessThan(0.28)
    const named = await json<Plan>('plan', '--join', peerIdOf(1), '--vnodes', '16', '--peer', peers[2]!)
    expect(named.change).toEqual({ kind: 'join', peerId: peerIdOf(1), vnodes: 16 })
    expect(named.records).toBeLessThan(typical.records)
    for (const { to } of named.moves) expect(to).toBe(peerIdOf(1))
  })

  it('moves nothing, and refuses strangers and those who are there already', async () => {
    const epochOf = async (): Promise<number> =>
      (await json<{ epoch: number }>('status', '--peer', peers[0]!)).epoch
    const before = await epochOf()
    const stranger = await run(['plan', '--leave', peerIdOf(9), '--peer', peers[0]!])
    expect(stranger).toMatchObject({ code: 2, stdout: '' })
    expect(stranger.stderr).toBe(`annulus: no member is called ${peerIdOf(9)}; annulus status lists them\n`)
    const member = peers[1]!.split('/p2p/')[1]!
    const again = await run(['plan', '--join', member, '--peer', peers[0]!])
    expect(again).toMatchObject({ code: 2, stdout: '' })
    expect(again.stderr).toContain(`${member} is a member already`)
    expect(await epochOf()).toBe(before)
  })
})

function sumOf(moves: readonly PlannedMove[]): [records: number, bytes: number] {
  return [
    moves.reduce((sum, { records }) => sum + records, 0),
    moves.reduce((sum, { bytes }) => sum + bytes, 0)
  ]
}
