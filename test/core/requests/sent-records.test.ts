import { describe, expect, it } from 'vitest'
import type { Logger } from '../../../src/core/ports.ts'
import { SentRecords } from '../../../src/core/requests/sent-records.ts'
import { silent } from '../topology/fakes.ts'

const recordOf = (bytes: number): Uint8Array => new Uint8Array(bytes)

describe('what a member counts as sent', () => {
  it('is every record that moves, as often as it is sent, and to whom', () => {
    const lines: unknown[] = []
    const logger: Logger = { ...silent, debug: (what, fields) => void lines.push([what, fields]) }
    const sent = new SentRecords({ logger })
    const push = { pushRecords: { records: [recordOf(10), recordOf(5)] } }
    sent.asked('B', push)
    sent.asked('B', push)
    sent.answered('C', { recordPage: { records: [recordOf(7)], answered: 1, damaged: [] } })
    sent.answered('D', {
      recordStream: { records: [recordOf(1)], finished: 1, after: recordOf(0), damagedSlots: [] }
    })
    expect(sent.total).toEqual({ records: 6, bytes: 38 })
    expect(lines).toEqual([
      ['sends records', { to: 'B', records: 2, bytes: 15 }],
      ['sends records', { to: 'B', records: 2, bytes: 15 }],
      ['sends records', { to: 'C', records: 1, bytes: 7 }],
      ['sends records', { to: 'D', records: 1, bytes: 1 }]
    ])
  })

  it('is nothing of what is put, read or only compared', () => {
    const sent = new SentRecords({ logger: silent })
    sent.asked('B', { writeRecord: { record: recordOf(10) } })
    sent.asked('B', { offerVersions: { versions: [] } })
    sent.answered('B', { record: { record: recordOf(10) } })
    sent.answered('B', { recordPage: { records: [], answered: 1, damaged: [0] } })
    expect(sent.total).toEqual({ records: 0, bytes: 0 })
  })
})
