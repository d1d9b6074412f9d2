/**
 * Counts the records that a member sends to move them, where they are handed to the transport: each as often as it is
 * sent, in a request or in an answer. Puts, gets that write back and repairs are no movement and do not count. The
 * two ends of requests tell it; the status shows it, and the log, with --verbose, to whom they went.
 */
import type { Logger } from '../ports.ts'
import type { RequestBody, ResponseBody } from '../rpc-types.ts'

export interface SentRecordsComponents {
  readonly logger: Logger
}

export interface SentTotal {
  readonly records: number
  /** As encoded, without what messages have around them. */
  readonly bytes: number
}

export class SentRecords {
  readonly #logger: Logger
  #records = 0
  #bytes = 0

  constructor({ logger }: SentRecordsComponents) {
    this.#logger = logger
  }

  /** All since this life began to run. */
  get total(): SentTotal {
    return { records: this.#records, bytes: this.#bytes }
  }

  /** A request is on its way to a peer, be it for the second time. */
  asked(peerId: string, { pushRecords }: RequestBody): void {
    this.#count(peerId, pushRecords?.records)
  }

  /** An answer is. */
  answered(peerId: string, { recordPage, recordStream }: ResponseBody): void {
    this.#count(peerId, recordPage?.records ?? recordStream?.records)
  }

  #count(peerId: string, sent: readonly Uint8Array[] | undefined): void {
    if (sent === undefined || sent.length === 0) return
    const bytes = sent.reduce((sum, { length }) => sum + length, 0)
    this.#records += sent.length
    this.#bytes += bytes
    this.#logger.debug('sends records', { to: peerId, records: sent.length, bytes })
  }
}
