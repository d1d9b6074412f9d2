/** How often each of the adapter's limits was reached, since the transport was made. What reaches one says so here; the status shows it. */

export type LimitName =
  | 'maxPeers'
  | 'maxStreams'
  | 'greetingTimeoutMs'
  | 'maxHelloBytes'
  | 'maxMessageBytes'
  | 'maxInFlight'
  | 'maxServedPerChannel'
  | 'maxServed'
  | 'maxServedBytesPerChannel'
  | 'maxServedBytes'
  | 'maxQueuedRequestBytes'
  | 'maxQueuedReplyBytes'
  | 'maxQueuedFrames'
  | 'maxKnownPeers'

export class LimitHits {
  readonly #counts = new Map<LimitName, number>()

  note(name: LimitName): void {
    this.#counts.set(name, this.of(name) + 1)
  }

  of(name: LimitName): number {
    return this.#counts.get(name) ?? 0
  }
}
