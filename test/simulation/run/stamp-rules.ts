/**
 * Watches the stamps of puts, on whose being unique G4 rests: under one key a version belongs to one record. What
 * was stamped twice but stored nowhere the second time, or never read, shows here all the same.
 */
import { hash } from 'node:crypto'
import { decodeRecord } from '../../../src/core/record/codec.ts'
import { formatVersion } from '../../../src/core/record/version.ts'
import type { Violation } from './checker.ts'
import type { Message } from '../wiretap.ts'

export class StampRules {
  readonly violations: Violation[] = []
  /** By key and version: a hash of the record that has it. */
  readonly #records = new Map<string, string>()

  /** Takes in a message that was sent. */
  saw({ from, request, answer }: Message): void {
    const { writeRecord } = request
    if (writeRecord === undefined || answer !== undefined) return
    const { key, version } = decodeRecord(writeRecord.record)
    const subject = new TextDecoder().decode(key)
    const stamp = `${formatVersion(version)} ${subject}`
    const record = hash('sha256', writeRecord.record, 'base64')
    const first = this.#records.get(stamp)
    if (first === undefined) this.#records.set(stamp, record)
    else if (first !== record) {
      const what = `${from} stores under the version ${formatVersion(version)} another record than was stored before`
      this.violations.push({ guarantee: 'G4', subject, what })
    }
  }
}
