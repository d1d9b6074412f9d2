import { describe, expect, it } from 'vitest'
import type { CallOptions, MemberInfo } from '../../src/api.ts'
import { findMember, untilGone } from '../../src/cli/members.ts'
import { AnnulusError } from '../../src/core/errors.ts'

const members = ['12D3KooWAAAAAA111111', '12D3KooWBBBBBB111111', '12D3KooWCCCCCC222222'].map(
  (peerId): MemberInfo => ({
    peerId,
    life: '0000000000000000',
    addresses: [],
    standing: 'up',
    liveness: 'alive',
    vnodes: 128,
    share: 1 / 3
  })
)

describe('naming a member', () => {
  it('takes a whole peer id, its beginning or its end', () => {
    expect(findMember('12D3KooWAAAAAA111111', members)).toBe('12D3KooWAAAAAA111111')
    expect(findMember('12D3KooWB', members)).toBe('12D3KooWBBBBBB111111')
    expect(findMember('222222', members)).toBe('12D3KooWCCCCCC222222')
  })

  it('refuses what several are called, naming them', () => {
    expect(() => findMember('111111', members)).toThrow(
      '111111 may be 12D3KooWAAAAAA111111 or 12D3KooWBBBBBB111111'
    )
  })

  it('refuses what is too short or nobody is called', () => {
    expect(() => findMember('22222', members)).toThrow('"22222" is too short to name a member')
    expect(() => findMember('333333', members)).toThrow('no member is called 333333')
  })
})

describe('waiting for a departure', () => {
  const signal = new AbortController().signal
  const unknown = () => new AnnulusError('ERR_OUTCOME_UNKNOWN', 'not yet', { indefinite: true })

  it('asks again while it is under way, never for longer than one call may take', async () => {
    const calls: CallOptions[] = []
    const ask = (options: CallOptions): Promise<void> =>
      calls.push(options) < 3 ? Promise.reject(unknown()) : Promise.resolve()
    await untilGone(ask, { timeoutMs: 600_000, signal, pauseMs: 1 })
    expect(calls.map(({ deadline }) => deadline)).toEqual([60_000, 60_000, 60_000])
  })

  it('gives up when the time is over, and at once where the cluster refuses', async () => {
    const open = untilGone(() => Promise.reject(unknown()), { timeoutMs: 5, signal, pauseMs: 1 })
    await expect(open).rejects.toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN' })
    let asked = 0
    const refuse = (): Promise<void> => {
      asked++
      return Promise.reject(new AnnulusError('ERR_REFUSED', 'the only copies would be lost'))
    }
    await expect(untilGone(refuse, { timeoutMs: 600_000, signal })).rejects.toMatchObject({
      code: 'ERR_REFUSED'
    })
    expect(asked).toBe(1)
  })
})
